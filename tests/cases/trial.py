"""A spec, generated, given to promtool and judged."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from rulegen.cli import main
from tests.cases.alerts import Alert, alerts
from tests.cases.judge import Judged, judged
from tests.cases.played import tests
from tests.support.paths import CONTRACT
from tests.support.tools import tool

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTE = re.compile(
    r"(?P<path>.*):(?P<line>\d+):\d+: warning: (?P<said>.*) \[(?:not-tested|baseline-too-short)\]"
)


@dataclass(frozen=True)
class Note:
    """Where the generator says that something has no test."""

    line: int
    said: str


@dataclass(frozen=True)
class Trial:
    """What came of a spec. ``refused``: why nothing was generated; ``failed``: what promtool says of tests that fail.

    ``untold``: cases that an alert lacks without a note at its place in the spec. ``noted``: with one.
    """

    refused: str
    judged: Sequence[Judged]
    failed: str
    noted: Sequence[tuple[Judged, str]]
    untold: Sequence[Judged]


def load(path: Path) -> Any:
    """A generated file, or a spec."""
    return yaml.load(path.read_text(), Loader=_Loader)


def judge(rules: Path) -> list[Judged]:
    """The cases of each alert of a rule file, whose tests are beside it."""
    own = alerts(load(rules))
    given = tests(load(rules.with_name(f"{rules.stem}_test.yaml")), own)
    return [judged(alert, given, own) for alert in own]


def rule_files(out: Path) -> list[Path]:
    """The generated rule files, without those of tests."""
    return sorted(path for path in (out / "rules").glob("*.yaml") if not path.stem.endswith("_test"))


def tried(specs: Sequence[Path], *, proved: bool) -> Trial:
    """Generate from files on disk. ``proved``: promtool runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        result = CliRunner().invoke(main, ["generate", *map(str, specs), "--out", str(out)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if result.exit_code:
            return Trial(result.stderr, (), "", (), ())
        found = [one for path in rule_files(out) for one in judge(path)]
        failed = _failures(out) if proved else ""
        noted, untold = _told(found, specs, result.stderr)
        return Trial("", found, failed, noted, untold)


def tried_data(file: Mapping[str, Any], interval: str) -> Trial:
    """Generate from a ModelSLO file as data, whose rules are evaluated every ``interval``."""
    with tempfile.TemporaryDirectory() as name:
        spec, routing = Path(name) / "slo.yaml", Path(name) / "routing.yaml"
        spec.write_text(yaml.safe_dump(dict(file), sort_keys=False))
        own = load(CONTRACT / "routing.yaml")
        own["spec"]["evaluationInterval"] = interval
        routing.write_text(yaml.safe_dump(own, sort_keys=False))
        return tried([spec, routing], proved=True)


def _failures(out: Path) -> str:
    files = sorted((out / "rules").glob("*_test.yaml"))
    command = [str(tool("promtool")), "test", "rules", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    return (done.stdout + done.stderr) if done.returncode else ""


def _told(
    found: Sequence[Judged], specs: Sequence[Path], said: str
) -> tuple[list[tuple[Judged, str]], list[Judged]]:
    notes = [match for line in said.splitlines() if (match := _NOTE.fullmatch(line))]
    noted: list[tuple[Judged, str]] = []
    untold: list[Judged] = []
    for one in found:
        if not one.missing:
            continue
        places = {str(path): _lines(path, one.alert) for path in specs}
        own = [match["said"] for match in notes if int(match["line"]) in places.get(match["path"], ())]
        noted += [(one, "; ".join(own))] if own else []
        untold += [] if own else [one]
    return noted, untold


def _lines(path: Path, alert: Alert) -> range:
    """Where an alert stands in a spec; of one that its SLO has by itself, where that says what is measured."""
    root = yaml.compose(path.read_text())
    for node in _mappings(root):
        keys = {key.value: value for key, value in node.value}
        if "when" in keys and keys["name"].value == alert.name:
            return range(node.start_mark.line + 1, node.end_mark.line + 2)
    for node in _mappings(root):
        keys = {key.value: value for key, value in node.value}
        if "sli" in keys and keys["name"].value == alert.labels.get("slo"):
            return range(keys["sli"].start_mark.line, keys["sli"].end_mark.line + 2)
    return range(0)


def _mappings(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [node, *(found for _, value in node.value for found in _mappings(value))]
    if isinstance(node, yaml.SequenceNode):
        return [found for value in node.value for found in _mappings(value)]
    return []
