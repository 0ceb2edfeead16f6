"""Each format gives the figures of the same data as plain JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.formats.catalogue import FORMATS
from tests.formats.dataset import FEATURES
from tests.formats.figures import differences, figures

pytestmark = pytest.mark.slow

FIELDS: dict[str, dict[str, Any]] = {
    "positional": {"features": {"path": "inputs", "names": list(FEATURES)}},
    "predict-proba": {"score": "probabilities"},
    "bentoml": {"timestamp": "timestamp", "id": "request_id", "features": list(FEATURES)},
}
"""What differs from the plain log's ``fields``."""


@pytest.mark.parametrize("name", FIELDS)
def test_figures_equal_those_of_plain_lines(name: str, tmp_path: Path) -> None:
    format_ = FORMATS[name]
    fields = {**format_.plain_fields, **FIELDS[name]}
    plain = figures(tmp_path / "plain", format_, {"fields": format_.plain_fields}, plain=True)
    assert len(plain["ml_feature_missing_ratio"]) == len(format_.features) * len(plain["ml_monitor_samples"])
    assert plain["ml_model_accuracy"]
    assert differences(figures(tmp_path / name, format_, {"fields": fields}), plain) == {}


def test_a_wrong_mapping_differs(tmp_path: Path) -> None:
    format_ = FORMATS["predict-proba"]
    plain = figures(tmp_path / "plain", format_, {"fields": format_.plain_fields}, plain=True)
    wrong = {**format_.plain_fields, "score": "features.age"}
    found = differences(figures(tmp_path / "wrong", format_, {"fields": wrong}), plain)
    assert {"ml_model_accuracy", "ml_sink_rejected_records_total"} <= set(found)
