"""Install the distributions into empty environments at both ends of their bounds, and run the example in each."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement

from distributions.split import WHOLE, Distribution
from mlslo.version import VERSION

ENDS = ("lowest", "highest")
_ABSENT = {
    "mlslo-exporter": ("promql-parser", "google-re2", "mlslo-rulegen"),
    "mlslo-rulegen": ("duckdb", "numpy", "scipy", "msgspec", "prometheus-client", "mlslo-exporter"),
}
_HASH = re.compile(r'hash="[^"]*"')
_OF_THE_MOMENT = re.compile(r"ml_exporter_|.*_(duration|success_timestamp)_")
_AT = "2025-01-06T08:40:00Z"


class BoundsError(Exception):
    """A difference between an installed distribution and the clone."""


@dataclass(frozen=True)
class Size:
    """How much an installed distribution is: packages, itself included, and bytes of its site-packages."""

    packages: int
    bytes: int


def lowest(distributions: Iterable[Distribution]) -> list[str]:
    """Return constraints that hold every dependency at the lowest version that its bounds allow."""
    lists = (lines for part in distributions for lines in (part.dependencies, *part.extras.values()))
    requirements = {Requirement(line) for lines in lists for line in lines}
    return sorted(
        f"{requirement.name}=={specifier.version}"
        for requirement in requirements
        for specifier in requirement.specifier
        if specifier.operator == ">="
    )


def install(wheels: Sequence[str], folder: Path, constraints: Sequence[str]) -> Path:
    """Install wheels and what they require into a new environment in ``folder``; return the folder of its commands.

    The wheels are named as files: no registry's ``mlslo-core`` can stand in for ours.
    Raises BoundsError with the end of pip's output where they don't install.
    """
    limits = folder.with_suffix(".txt")
    limits.write_text("\n".join(constraints), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--no-input"]
    options = [
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--no-compile",
        "--constraint",
        str(limits),
    ]
    done = subprocess.run([*pip, *options, *wheels], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BoundsError(
            f"{' '.join(wheels)}: pip cannot install them\n{done.stdout[-1000:]}{done.stderr[-2000:]}"
        )
    return folder / "bin"


def wheels(distribution: Distribution, dist: Path, *, extras: bool = False) -> list[str]:
    """Return the wheels of ``distribution`` and of those of ours that it requires; with all its extras, where asked."""
    names = {"mlslo-core", distribution.name}
    if distribution.name == WHOLE:
        names |= {"mlslo-exporter", "mlslo-rulegen"}
    files = {
        name: str(dist / f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl") for name in sorted(names)
    }
    if extras and distribution.extras:
        files[distribution.name] += f"[{','.join(distribution.extras)}]"
    return list(files.values())


def installed(commands: Path) -> dict[str, str]:
    """Return what is installed beside ``commands``: versions by normalized name."""
    program = (
        "import importlib.metadata, json;"
        "print(json.dumps({d.name: d.version for d in importlib.metadata.distributions()}))"
    )
    found = json.loads(_run([str(commands / "python"), "-I", "-c", program]))
    return {name.lower().replace("_", "-"): version for name, version in found.items()}


def size(commands: Path) -> Size:
    """Return the size of the environment of ``commands``, without Python and bytecode."""
    (packages,) = commands.parent.glob("lib/python*/site-packages")
    files = (path for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return Size(len(installed(commands)), sum(path.stat().st_size for path in files))


def try_out(distribution: Distribution, commands: Path, root: Path, scratch: Path) -> None:
    """Run the example with what is installed; raise BoundsError where it comes out otherwise than in the clone."""
    if present := installed(commands).keys() & set(_ABSENT.get(distribution.name, ())):
        raise BoundsError(f"{distribution.name}: installs {sorted(present)}, which are the other half's")
    if (commands / "mlslo-exporter").exists():
        _try_exporter(commands, root, scratch / "installed")
    if (commands / "mlslo-rulegen").exists():
        _run([str(commands / "mlslo-rulegen"), "check", str(root / "examples/diabetes"), "--out", str(root)])


def _try_exporter(commands: Path, root: Path, scratch: Path) -> None:
    ours = _gauges_of_clone(root, scratch.with_name("clone"))
    theirs = _gauges(commands, root, scratch)
    if ours.keys() != theirs.keys():
        raise BoundsError(f"mlslo-exporter: other series: {sorted(ours.keys() ^ theirs.keys())[:3]}")
    for name, value in ours.items():
        if not math.isclose(value, theirs[name], rel_tol=1e-6, abs_tol=1e-9):
            raise BoundsError(f"mlslo-exporter: {name} is {theirs[name]}, and {value} in the clone")


@cache
def _gauges_of_clone(root: Path, scratch: Path) -> dict[str, float]:
    return _gauges(Path(sys.executable).parent, root, scratch)


def _gauges(commands: Path, root: Path, scratch: Path) -> dict[str, float]:
    """Return the gauges of the example: values by name and labels."""
    shutil.copytree(root / "examples" / "diabetes", scratch)
    exporter, monitor = str(commands / "mlslo-exporter"), str(scratch / "monitor.yaml")
    reference = scratch / "references" / "validation.json"
    reference.unlink(missing_ok=True)
    _run(
        [
            exporter,
            "baseline",
            monitor,
            "--data",
            str(scratch / "reference-data.jsonl"),
            "--out",
            str(reference),
        ]
    )
    lines = _run([exporter, "once", monitor, "--at", _AT]).splitlines()
    shutil.rmtree(scratch)
    pairs = (
        line.rsplit(" ", 1) for line in lines if line[:1] not in ("", "#") and not _OF_THE_MOMENT.match(line)
    )
    # The hash is of every bit, and the last ones of a sum are DuckDB's own affair from version to version.
    return {_HASH.sub('hash=""', name): float(value) for name, value in pairs}


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise BoundsError(
            f"{' '.join(command)}: ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.stdout
