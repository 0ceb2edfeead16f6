"""What it costs to generate everything for a thousand models, and what one changed spec rewrites.

    .venv/bin/python -m benchmarks.generate [--quick]

Ten SLOs each (benchmarks.fleet). Everything is generated into an empty folder, in a process of its own; once more with
another hash seed, which must give the same bytes; then one limit of one model is changed, and that run is measured too.

Files are in memory, where /dev/shm is: just after many files were deleted on an ext4 disk, the next ones take it
many times as long, whoever creates them (30,000 empty ones 17 s of CPU instead of 0.9 s).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from pathlib import Path

from benchmarks import fleet
from benchmarks.process import Cost, python
from benchmarks.table import Row, finish

MOST_CPU = 10.0
MODELS = 1000
MEMORY = Path("/dev/shm")


def _generate(specs: Path, out: Path, seed: str) -> Cost:
    os.environ["PYTHONHASHSEED"] = seed
    return python("-m", "rulegen", "generate", specs, "--out", out)


def _written(cost: Cost) -> list[str]:
    return [line.removeprefix("wrote ") for line in cost.output.splitlines() if line.startswith("wrote ")]


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="ten models")
    options = parser.parse_args()
    models = 10 if options.quick else MODELS
    with tempfile.TemporaryDirectory(
        prefix="mlslo-generate-", dir=MEMORY if MEMORY.is_dir() else None
    ) as name:
        folder = Path(name)
        specs, out = folder / "specs", folder / "out"
        fleet.write(specs, models)
        cold = _generate(specs, out, "1")
        before = _digests(out)
        _generate(specs, folder / "again", "2")
        same = before == _digests(folder / "again")
        changed = specs / "model-0003.yaml"
        text = changed.read_text()
        limit = "atMost: 0}, for: 5m"
        assert text.count(limit) == 1
        changed.write_text(text.replace(limit, "atMost: 0}, for: 6m"))
        warm = _generate(specs, out, "3")
        rewritten = _written(warm)
        others = [path for path in rewritten if "model-0003" not in path]
        copied = folder / "copied"
        fleet.write_copies(copied, models)
        alike = _generate(copied, folder / "alike", "1")
        distinct = folder / "distinct"
        fleet.write(distinct, max(models // 10, 1), distinct=True)
        apart = _generate(distinct, folder / "apart", "1")
    finish(
        f"Generate: {models:,} ModelSLO files of 10 SLOs",
        [
            Row("everything, into an empty folder, CPU", cold.cpu, "s", MOST_CPU),
            Row("the same, wall", cold.wall, "s"),
            Row("the same of models that differ in their names only, CPU", alike.cpu, "s", MOST_CPU),
            Row("peak memory", cold.memory, "MiB"),
            Row("files", len(before)),
            Row("runs that differ", float(not same), "", 0),
            Row("after one changed spec, CPU", warm.cpu, "s", MOST_CPU),
            Row("files of that model rewritten", len(rewritten) - len(others)),
            Row("files of others rewritten", len(others), "", 0),
            Row(
                f"{max(models // 10, 1):,} files without a common limit, CPU",
                apart.cpu,
                "s",
                note="a tenth as many",
            ),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
