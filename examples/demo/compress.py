"""The example's files with every length of time divided by one factor, and receivers on this machine.

Only spans of the story's own time are divided: windows, schedules, waits. A latency of 250 ms is a
measurement and stays. Times of day cannot be divided, so nothing waits for office hours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from examples.story import HISTORY_MINUTES
from mlslo.yamlfile import Duration
from rulegen.slo.burn_rate import THIRTY_DAYS

SPANS = frozenset(
    {
        *("schedule", "windows", "maxDelay", "sliding", "offset", "first"),
        *("timeWindow", "window", "for", "keepFiringFor", "after", "short", "long"),
        *("within", "cooldown", "interval", "basedOn", "retention", "lookback", "since", "period", "grace"),
        *("evaluationInterval", "groupWait", "groupInterval", "repeatInterval"),
    }
)
"""Keys whose value is a length of the story's time."""

MEASUREMENTS = frozenset({"below", "latencyBuckets", "timeout"})
"""Keys whose value is a length of time that a prediction took, or an answer may."""

SHORTEST_CYCLE = 0.5
"""Seconds. More often the programs on a small machine would be busy with nothing else."""

Data = dict[str, Any]


def compress(value: Any, factor: float) -> Any:
    """`value`, a parsed file or a part of it, with every span in it divided by `factor`."""
    if isinstance(value, dict):
        return {
            key: _divide(item, factor) if key in SPANS else compress(item, factor)
            for key, item in value.items()
        }
    return [compress(item, factor) for item in value] if isinstance(value, list) else value


def _divide(value: Any, factor: float) -> Any:
    if isinstance(value, str):
        return str(Duration.of_seconds(Duration(value).seconds / factor))
    return [_divide(item, factor) for item in value] if isinstance(value, list) else compress(value, factor)


def _cycle(span: str) -> str:
    return str(Duration.of_seconds(max(Duration(span).seconds, SHORTEST_CYCLE)))


def monitor(path: Path, factor: float) -> Data:
    """The ModelMonitor file at `path`, in fast motion."""
    data: Data = compress(_read(path), factor)
    data["spec"]["schedule"] = _cycle(data["spec"]["schedule"])
    return data


def slo(path: Path, factor: float) -> Data:
    """The ModelSLO file at `path`, in fast motion: its error budgets too burn over compressed windows.

    Prometheus knows nothing before the story, so only windows as short as the recorded past are used.
    """
    data = _read(path)
    for promise in data["spec"]["slos"]:
        if "objective" in promise:
            promise["alerting"] = {"windows": _workbook_windows(), **promise.get("alerting", {})}
    compressed: Data = compress(data, factor)
    return compressed


def _workbook_windows() -> list[Data]:
    return [
        {"factor": float(pair.factor), "short": pair.short, "long": pair.long, "burn": pair.speed}
        for pair in THIRTY_DAYS
        if pair.long.seconds <= HISTORY_MINUTES * 60
    ]


def routing(path: Path, factor: float, urls: Mapping[str, str], secrets: Path) -> Data:
    """The AlertRouting file at `path`, in fast motion, with receivers that send to `urls`.

    `urls` has `pagerduty_configs`, `webhook_configs` and `actions`; the folder `secrets` has the files slack, pagerduty
    and act.
    """
    data: Data = compress(_read(path), factor)
    spec = data["spec"]
    spec["evaluationInterval"] = _cycle(spec["evaluationInterval"])
    for tier in spec["tiers"].values():
        tier.pop("activeDuring", None)
    for key in ("mute", "timeIntervals"):
        spec.pop(key, None)
    for receiver in spec["receivers"].values():
        for config in receiver.get("pagerduty_configs", []):
            config.update(url=urls["pagerduty_configs"], routing_key_file=str(secrets / "pagerduty"))
        for config in receiver.get("slack_configs", []):
            config.update(api_url_file=str(secrets / "slack"))
        for config in receiver.get("webhook_configs", []):
            config.update(url=urls["webhook_configs"])
    spec["actions"] = {"url": urls["actions"], "credentialsFile": str(secrets / "act")}
    return data


def actions(path: Path, factor: float, url: str, token: Path) -> Data:
    """The AlertActions file at `path`, in fast motion, whose actions call `url`; Alertmanager's token is in `token`."""
    data: Data = compress(_read(path), factor)
    data["spec"]["tokenFile"] = str(token)
    for action in data["spec"]["actions"]:
        action["http"]["url"] = url
    return data


def write(data: Data, path: Path) -> None:
    """`data` as YAML at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(_plain(data), sort_keys=False), encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _read(path: Path) -> Data:
    data: Data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data
