"""Rules that are evaluated more or less often than each minute, and budgets of seasons: promtool judges their tests.

promtool loads so many samples and no more: stories of days must not have one for each evaluation.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rulegen.cli import main
from tests.support.paths import ROUTING
from tests.support.tools import tool


def _spec(time_window: str) -> dict[str, Any]:
    """An error budget of events and one of evaluations, and alerts on the past of a gauge."""
    return {
        "apiVersion": "mlslo/v1",
        "kind": "ModelSLO",
        "metadata": {"name": "seasonal"},
        "spec": {
            "model": "seasonal",
            "slos": [
                {
                    "name": "availability", "layer": "service", "objective": 99.5,
                    "timeWindow": time_window, "sli": {"errors": {}},
                },
                {
                    "name": "auc", "layer": "outcome", "objective": 99, "timeWindow": time_window,
                    "good": {"atLeast": 0.7}, "sli": {"gauge": {"metric": "ml_model_auc_roc", "window": "7d"}},
                    "alerts": [
                        {
                            "name": "ConceptDrift", "tier": "P2", "for": "10m",
                            "when": {"dropFrom": {"window": "30d", "by": 0.05}},
                        },
                    ],
                },
                {
                    "name": "traffic", "layer": "service",
                    "sli": {"gauge": {"metric": "ml_predictions_per_second", "window": "1h"}},
                    "alerts": [
                        {
                            "name": "VolumeAnomaly", "tier": "P2", "for": "5m",
                            "when": {"changeFrom": {"offset": "1d", "byRatio": 0.5}},
                        },
                    ],
                },
            ],
            "noData": {"tier": "P2", "after": "15m"},
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "time_window"),
    [("15s", "30d"), ("5m", "365d")],
)
def test_promtool_passes_every_generated_test(interval: str, time_window: str, tmp_path: Path) -> None:
    spec, routing = tmp_path / "slo.yaml", tmp_path / "routing.yaml"
    spec.write_text(json.dumps(_spec(time_window)))
    routing.write_text(
        ROUTING.read_text().replace("evaluationInterval: 1m", f"evaluationInterval: {interval}")
    )
    done = CliRunner().invoke(main, ["generate", str(spec), str(routing), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.stderr
    tests = sorted((tmp_path / "rules").glob("*_test.yaml"))
    often = [path for path in tests if not path.stem.endswith("_records_test")]
    assert all(f"evaluation_interval: {interval}\n" in path.read_text() for path in often)
    assert len(tests) == len(often) + 1
    judged = subprocess.run([tool("promtool"), "test", "rules", *tests], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr
