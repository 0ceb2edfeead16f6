"""What it costs to generate: one model, a hundred that all differ, a thousand of which one has changed.

    .venv/bin/python -m benchmarks.generate [--quick]

Each model has ten SLOs (benchmarks.fleet), and no limit in common with another. Each run is a process of its own;
CPU includes the processes that it starts. Files are in memory, where /dev/shm is: just after many files were deleted on
an ext4 disk, the next ones take it many times as long, whoever creates them.
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

MOST_OF_ONE, MOST_OF_HUNDRED, MOST_OF_ONE_CHANGED = 1.0, 12.0, 5.0
MEMORY = Path("/dev/shm")


def _generate(specs: Path, out: Path, seed: str = "1") -> Cost:
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
    parser.add_argument("--quick", action="store_true", help="a tenth and a hundredth of the models")
    options = parser.parse_args()
    hundred, thousand = (10, 10) if options.quick else (100, 1000)
    with tempfile.TemporaryDirectory(
        prefix="mlslo-generate-", dir=MEMORY if MEMORY.is_dir() else None
    ) as name:
        folder = Path(name)
        fleet.write(folder / "one", 1, distinct=True)
        one = _generate(folder / "one", folder / "one-out")
        fleet.write(folder / "hundred", hundred, distinct=True)
        many = _generate(folder / "hundred", folder / "hundred-out")
        before = _digests(folder / "hundred-out")
        _generate(folder / "hundred", folder / "again", "2")
        same = before == _digests(folder / "again")
        specs, out = folder / "thousand", folder / "thousand-out"
        fleet.write(specs, thousand, distinct=True)
        first = _generate(specs, out)
        changed = specs / "model-0003.yaml"
        text = changed.read_text()
        limit = "atMost: 0}, for: 5m"
        assert text.count(limit) == 1
        changed.write_text(text.replace(limit, "atMost: 0}, for: 6m"))
        again = _generate(specs, out)
        rewritten = _written(again)
        others = [path for path in rewritten if "model-0003" not in path]
    finish(
        "Generate: ModelSLO files of 10 SLOs",
        [
            Row("one model, whole process, wall", one.wall, "s", MOST_OF_ONE),
            Row("one model, CPU", one.cpu, "s"),
            Row(f"{hundred} models that all differ, CPU", many.cpu, "s", MOST_OF_HUNDRED),
            Row(f"{hundred} models that all differ, wall", many.wall, "s"),
            Row("files", len(before)),
            Row("runs that differ", float(not same), "", 0),
            Row(f"{thousand:,} models, CPU", first.cpu, "s"),
            Row(f"{thousand:,} models, wall", first.wall, "s"),
            Row(f"{thousand:,} models, peak memory of one process", first.memory, "MiB"),
            Row("of these one changed spec, CPU", again.cpu, "s", MOST_OF_ONE_CHANGED),
            Row("files of that model rewritten", len(rewritten) - len(others)),
            Row("files of others rewritten", len(others), "", 0),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
