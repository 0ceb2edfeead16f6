"""Mutate inputs of a target, keep those that reach new lines of code, and collect what raises."""

from __future__ import annotations

import hashlib
import sys
import time
import traceback
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, NamedTuple

from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import ROOT, Run, Target

CORPUS = Path(__file__).parent / "corpus"
_PACKAGES = (f"{ROOT}/exporter/", f"{ROOT}/mlslo/")
# What takes more seconds of CPU is reported as well.
_PATIENCE = 10.0
_LARGEST_KEPT = 1 << 14


class Finding(NamedTuple):
    """An input, and what it raised."""

    data: bytes
    text: str


class Outcome(NamedTuple):
    """``cases``: how many inputs were tried. ``new``: inputs that reached new lines."""

    cases: int
    new: list[bytes]
    findings: list[Finding]


def kept(name: str) -> list[bytes]:
    """Return the inputs of a target that earlier runs kept."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def keep(name: str, data: bytes) -> None:
    """Add an input to those of a target."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def fuzz(name: str, target: Target, *, seed: int, seconds: float, cases: int | None = None) -> Outcome:
    """Run a target for ``seconds``, or for ``cases`` inputs; of findings of one cause the first counts."""
    corpus = [*target.samples, *kept(name)]
    mutator = Mutator(corpus, target.words, Random(seed))
    seen: set[tuple[str, int]] = set()
    new: list[bytes] = []
    findings: dict[str, Finding] = {}
    tried = 0
    deadline = time.monotonic() + seconds
    with target.opened() as run:
        for data in corpus:
            _try(run, data, seen, findings)
        while time.monotonic() < deadline and (cases is None or tried < cases):
            data = b"\n".join(mutator.next() for _ in range(target.joined))
            before = len(seen)
            _try(run, data, seen, findings)
            tried += target.joined
            if len(seen) > before and len(data) <= _LARGEST_KEPT:
                corpus.append(data)
                new.append(data)
    return Outcome(tried, new, list(findings.values()))


def _try(run: Run, data: bytes, seen: set[tuple[str, int]], findings: dict[str, Finding]) -> None:
    began = time.process_time()
    try:
        _traced(run, data, seen)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        findings.setdefault(
            f"{type(error).__name__} {last.filename}:{last.lineno}", Finding(data, traceback.format_exc())
        )
    if (took := time.process_time() - began) > _PATIENCE:
        findings.setdefault("slow", Finding(data, f"took {took:.0f} s"))


def _traced(run: Run, data: bytes, seen: set[tuple[str, int]]) -> None:
    def line(frame: FrameType, *_: Any) -> Any:
        seen.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    def call(frame: FrameType, *_: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(_PACKAGES) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        run(data)
    finally:
        sys.settrace(before)
