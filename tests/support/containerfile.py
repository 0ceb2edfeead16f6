"""A Containerfile taken apart: its stages, their instructions, and what an image of a stage says about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Copy:
    """``COPY [--from=STAGE] SOURCE... TARGET``; ``origin`` is the stage, or empty for the build context."""

    origin: str
    sources: Sequence[str]
    target: str


@dataclass
class Stage:
    """One stage: steps in their order, and what an image made of it is started with."""

    name: str
    base: str
    steps: list[Copy | str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    user: str = ""
    folder: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    stop_signal: str = ""


def parse(path: Path) -> dict[str, Stage]:
    """Return the stages by name, in their order.

    Raises ValueError for an instruction that this reader does not know.
    """
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    stage = Stage("", "")
    for keyword, value in _instructions(path.read_text(encoding="utf-8")):
        if keyword == "ARG":
            name, _, default = value.partition("=")
            arguments[name] = default
        elif keyword == "FROM":
            base, _, name = value.partition(" AS ")
            stage = stages[name] = Stage(
                name, re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], base)
            )
        elif keyword == "RUN":
            stage.steps.append(value)
        elif keyword == "COPY":
            words = value.split()
            origin = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else ""
            stage.steps.append(Copy(origin, words[:-1], words[-1]))
        elif keyword in ("ENV", "LABEL"):
            pairs = {name: text.strip('"') for name, text in re.findall(r'([\w.]+)=("[^"]*"|\S+)', value)}
            (stage.environment if keyword == "ENV" else stage.labels).update(pairs)
        elif keyword == "USER":
            stage.user = value
        elif keyword == "WORKDIR":
            stage.folder = value
        elif keyword == "ENTRYPOINT":
            stage.entrypoint = json.loads(value)
        elif keyword == "STOPSIGNAL":
            stage.stop_signal = value
        elif keyword != "EXPOSE":
            raise ValueError(f"{path.name}: {keyword} is not known here")
    return stages


def needed(stages: Mapping[str, Stage], target: str) -> list[Stage]:
    """Return the stages that ``target`` copies from, and theirs, in their order, and ``target`` itself."""
    names = {target}
    for stage in reversed(list(stages.values())):
        if stage.name in names:
            names |= {step.origin for step in stage.steps if isinstance(step, Copy) and step.origin}
    return [stage for stage in stages.values() if stage.name in names]


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in joined.splitlines() if line.strip()
    ]
