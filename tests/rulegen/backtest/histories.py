"""Histories as `mlslo-exporter replay` writes them, and specs to judge by them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from rulegen.cli import main

# The name of a series with its labels, and its samples: seconds since 1970, the value.
Samples = Mapping[str, Sequence[tuple[float, float]]]
START = 1_760_000_400


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def write_history(folder: Path, samples: Samples, begin: float, end: float, step: str) -> Path:
    """Write a history folder of the model `fraud`, without blocks."""
    (folder / "openmetrics").mkdir(parents=True)
    head = {"apiVersion": "mlslo/v1", "kind": "History", "models": ["fraud"]}
    times = {"from": rfc3339(begin), "to": rfc3339(end), "step": step}
    (folder / "history.json").write_text(json.dumps(head | times))
    lines = [f"{series} {value} {time}\n" for series, own in samples.items() for time, value in own]
    (folder / "openmetrics/20251009T090000Z.om").write_text("".join(lines) + "# EOF\n")
    return folder


def write_specs(
    folder: Path, slos: Sequence[Mapping[str, Any]], routing: Mapping[str, Any] | None = None, **more: Any
) -> list[Path]:
    """Write a ModelSLO of the model `fraud` and its routing; return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    slo = {"apiVersion": "mlslo/v1", "kind": "ModelSLO", "metadata": {"name": "fraud"}}
    slo["spec"] = {"model": "fraud", "slos": list(slos), **more}
    spec: dict[str, Any] = {
        "tiers": {
            "P1": {"severity": "critical", "receivers": ["oncall"]},
            "P2": {"severity": "warning", "receivers": ["chat"]},
        },
        "receivers": {
            "oncall": {"pagerduty_configs": [{"routing_key_file": "/etc/alertmanager/pagerduty"}]},
            "chat": {"slack_configs": [{"api_url_file": "/etc/alertmanager/slack", "channel": "#ml"}]},
        },
    }
    kind = {"apiVersion": "mlslo/v1", "kind": "AlertRouting", "metadata": {"name": "default"}}
    paths = [folder / "slo.yaml", folder / "routing.yaml"]
    for path, data in zip(paths, (slo, {**kind, "spec": {**spec, **(routing or {})}}), strict=True):
        path.write_text(yaml.safe_dump(data, sort_keys=False))
    return paths


def called(*words: object, code: int = 0) -> Result:
    """Run `mlslo-rulegen` with these words, and expect this exit code."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, (done.exit_code, done.output, done.exception)
    return done
