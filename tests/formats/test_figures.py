"""Each format gives the figures of the same data as plain JSON lines, with the monitor file of its page."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.formats.catalogue import FORMATS, requests_of
from tests.formats.figures import differences, figures
from tests.formats.format import Format
from tests.support.logs import Gauges, monitor, once, write_monitor
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

_PAGE = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
DOCUMENTED: dict[str, dict[str, Any]] = {
    name: yaml.safe_load(text)
    for name, text in re.findall(r"```yaml\n# ([\w-]+)\n(.*?)```", _PAGE, re.DOTALL)
}
"""Name -> what stands below ``predictions`` of a monitor file."""
UNMAPPED = {
    name: {"fields": format_.plain_fields} for name, format_ in FORMATS.items() if name not in DOCUMENTED
}
"""Those that are read as plain lines are, by themselves."""
_KNOWN: dict[str, Gauges] = {}


@pytest.mark.parametrize("name", FORMATS)
def test_figures_equal_those_of_plain_lines(name: str, tmp_path: Path) -> None:
    format_ = FORMATS[name]
    predictions = DOCUMENTED.get(name) or UNMAPPED[name]
    if "score" not in format_.plain_fields:
        # The reasons why chats end are classes, of which the plain lines have none.
        predictions = {**predictions, "fields": {**predictions.get("fields", {}), "prediction": None}}
    plain = _plain(format_, tmp_path)
    assert {labels["feature"] for labels, _ in plain["ml_feature_missing_ratio"]} == set(format_.features)
    assert "score" not in format_.plain_fields or plain["ml_model_accuracy"]
    found = figures(tmp_path / "read", format_, predictions)
    assert differences(_with_foreign_lines(found, -format_.foreign_lines), plain) == {}


def _plain(format_: Format, folder: Path) -> Gauges:
    """Return the figures of plain lines; most formats carry all that there is, and share them."""
    key = f"{format_.plain_fields} {format_.features} {format_.carried(requests_of(format_))}"
    if key not in _KNOWN:
        _KNOWN[key] = figures(folder / "plain", format_, {"fields": format_.plain_fields}, plain=True)
    return _KNOWN[key]


def _with_foreign_lines(gauges: Gauges, number: int) -> Gauges:
    """Return series of a log that has so many more lines without a record."""
    changed = dict(gauges)
    for name, of in (
        ("ml_sink_records_total", {"sink": "predictions"}),
        ("ml_sink_rejected_records_total", {"sink": "predictions", "reason": "not_a_record"}),
    ):
        changed[name] = [
            (labels, value + number if of.items() <= labels.items() else value)
            for labels, value in gauges[name]
        ]
    return changed


@pytest.mark.parametrize("name", ["openai", "litellm"])
def test_why_chats_end_is_what_is_predicted(name: str, tmp_path: Path) -> None:
    requests = requests_of(FORMATS[name])
    reasons = Counter(
        request.rows[0].features["finish_reason"] for request in requests if request.rows[0].features
    )
    (tmp_path / "log.jsonl").write_bytes(FORMATS[name].write(requests))
    content = monitor(task="multiclass", labels=None)
    content["spec"]["predictions"] = {
        **DOCUMENTED[name],
        "sink": {"file": {"path": "log.jsonl"}},
        "classes": ["stop", "length", "tool_calls"],
    }
    gauges = once(write_monitor(tmp_path, content))
    for version in ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"):
        found = {
            labels["class"]: ratio
            for labels, ratio in gauges["ml_prediction_class_ratio"]
            if labels["version"] == version
        }
        assert found.keys() == reasons.keys()
        assert sum(found.values()) == pytest.approx(1)


def test_a_wrong_mapping_differs(tmp_path: Path) -> None:
    format_ = FORMATS["predict-proba"]
    plain = figures(tmp_path / "plain", format_, {"fields": format_.plain_fields}, plain=True)
    wrong = {**format_.plain_fields, "score": "features.age"}
    found = differences(figures(tmp_path / "wrong", format_, {"fields": wrong}), plain)
    assert {"ml_model_accuracy", "ml_sink_rejected_records_total"} <= set(found)
