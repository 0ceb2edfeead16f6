"""Each format gives the figures of the same data as plain JSON lines, with the monitor file of its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.formats.catalogue import FORMATS
from tests.formats.figures import differences, figures
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


@pytest.mark.parametrize("name", FORMATS)
def test_figures_equal_those_of_plain_lines(name: str, tmp_path: Path) -> None:
    format_ = FORMATS[name]
    predictions = DOCUMENTED.get(name) or UNMAPPED[name]
    plain = figures(tmp_path / "plain", format_, {"fields": format_.plain_fields}, plain=True)
    assert len(plain["ml_feature_missing_ratio"]) == len(format_.features) * len(plain["ml_monitor_samples"])
    assert "score" not in format_.plain_fields or plain["ml_model_accuracy"]
    assert differences(figures(tmp_path / name, format_, predictions), plain) == {}


def test_a_wrong_mapping_differs(tmp_path: Path) -> None:
    format_ = FORMATS["predict-proba"]
    plain = figures(tmp_path / "plain", format_, {"fields": format_.plain_fields}, plain=True)
    wrong = {**format_.plain_fields, "score": "features.age"}
    found = differences(figures(tmp_path / "wrong", format_, {"fields": wrong}), plain)
    assert {"ml_model_accuracy", "ml_sink_rejected_records_total"} <= set(found)
