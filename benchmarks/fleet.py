"""ModelSLO files of many models, as teams that copy from each other and set their own limits write them.

    .venv/bin/python -m benchmarks.fleet FOLDER --models 1000 [--seed 1] [--distinct]

The same seed gives the same files. Each file has ten SLOs: error budgets of events and of evaluations, and conditions
of every kind on gauges, with alerts of several tiers; limits, durations, windows and tiers are drawn for each model.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

_HEAD = """\
apiVersion: mlslo/v1
kind: ModelSLO
metadata:
  name: {name}
  labels: {{team: {team}}}
spec:
  model: {name}
  slos:
"""
_TEAMS = ("risk", "growth", "search", "pricing", "support")

ROUTING = """\
apiVersion: mlslo/v1
kind: AlertRouting
metadata: {name: default}
spec:
  evaluationInterval: 1m
  tiers:
    P1: {severity: critical, receivers: [oncall, ml-slack]}
    P2: {severity: warning, receivers: [ml-slack]}
    P3: {severity: info, receivers: [ml-digest], repeatInterval: 24h}
  teams:
    risk: {P1: [risk-oncall, ml-slack]}
  receivers:
    oncall:
      pagerduty_configs: [{routing_key_file: /etc/alertmanager/secrets/pagerduty}]
    risk-oncall:
      pagerduty_configs: [{routing_key_file: /etc/alertmanager/secrets/pagerduty-risk}]
    ml-slack:
      slack_configs: [{api_url_file: /etc/alertmanager/secrets/slack, channel: "#ml-alerts"}]
    ml-digest:
      slack_configs: [{api_url_file: /etc/alertmanager/secrets/slack, channel: "#ml-digest"}]
  inhibit:
    - {source: {layer: service, tier: P1}, target: {layers: [data, prediction, outcome]}, equal: [model]}
"""


class _Model:
    """One model's draws."""

    def __init__(self, rng: random.Random, distinct: bool) -> None:
        self.rng = rng
        self.distinct = distinct

    def limit(self, *round_ones: float) -> str:
        """One of the round numbers that people write; or, where no two files shall be alike, one near it."""
        chosen = self.rng.choice(round_ones)
        return f"{chosen * self.rng.uniform(0.99, 1) if self.distinct else chosen:.4g}"

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def lasting(self) -> str:
        return self.pick("10m", "15m", "30m", "1h")

    def window(self) -> str:
        return self.pick("1h", "1d")

    def availability(self) -> str:
        return (
            f"{{name: availability, layer: service, objective: {self.pick('99', '99.5', '99.9')}, "
            "timeWindow: 30d, sli: {errors: {}}}"
        )

    def latency(self) -> str:
        return (
            f"{{name: latency, layer: service, objective: {self.pick('95', '97', '99')}, timeWindow: 30d, "
            f"sli: {{latency: {{below: {self.pick('100ms', '250ms', '500ms')}}}}}, alerting: {{fast: P2, slow: P3}}}}"
        )

    def traffic(self) -> str:
        return (
            "{name: traffic, layer: service, sli: {gauge: {metric: ml_predictions_per_second, window: 1h}}, alerts: ["
            "{name: NoPredictions, tier: P1, when: {atMost: 0}, for: 5m}, "
            "{name: PredictionVolumeAnomaly, tier: P2, when: {changeFrom: "
            f"{{offset: {self.pick('1d', '7d')}, byRatio: {self.limit(0.3, 0.5, 0.7)}}}}}, for: {self.lasting()}}}]}}"
        )

    def feature_drift(self) -> str:
        return (
            f"{{name: feature-drift, layer: data, sli: {{gauge: {{metric: ml_feature_psi, window: {self.window()}, "
            "reference: training}}, alerts: ["
            f"{{name: FeaturesDrifting, tier: P2, when: {{above: {self.limit(0.2, 0.25, 0.3)}, "
            f"series: {{atLeast: {self.pick('3', '4', '5')}}}}}, for: {self.lasting()}}}, "
            f"{{name: FeatureDrift, tier: P3, when: {{above: {self.limit(0.1, 0.15, 0.2)}}}, for: {self.lasting()}}}]}}"
        )

    def missing(self) -> str:
        return (
            "{name: missing-values, layer: data, sli: {gauge: {metric: ml_feature_missing_ratio, "
            f"window: {self.window()}}}}}, alerts: [{{name: FeatureMissing, tier: P2, when: {{aboveReference: "
            f"{{byFactor: {self.pick('2', '3', '5')}, floor: {self.limit(0.01, 0.02, 0.05)}}}}}, "
            f"for: {self.lasting()}}}]}}"
        )

    def invalid(self) -> str:
        return (
            "{name: invalid-values, layer: data, sli: {gauge: {metric: ml_feature_invalid_ratio, "
            f"window: {self.window()}}}}}, alerts: [{{name: FeatureInvalid, tier: P2, "
            f"when: {{above: {self.limit(0.001, 0.01, 0.05)}}}, for: {self.lasting()}}}]}}"
        )

    def collapse(self) -> str:
        return (
            "{name: collapse, layer: prediction, sli: {gauge: {metric: ml_prediction_top_value_ratio, window: 1h}}, "
            f"alerts: [{{name: ModelCollapse, tier: P1, when: {{atLeast: {self.limit(0.95, 0.98, 0.99)}}}, "
            f"for: {self.lasting()}}}]}}"
        )

    def prediction_drift(self) -> str:
        return (
            f"{{name: prediction-drift, layer: prediction, sli: {{gauge: {{metric: ml_prediction_psi, "
            f"window: {self.window()}, reference: training}}}}, alerts: [{{name: PredictionDrift, tier: P3, "
            f"when: {{above: {self.limit(0.2, 0.25, 0.3)}}}, for: {self.lasting()}, keepFiringFor: 30m}}]}}"
        )

    def auc(self) -> str:
        level = float(self.limit(0.65, 0.7, 0.75, 0.8))
        return (
            f"{{name: auc, layer: outcome, objective: 99, timeWindow: 30d, good: {{atLeast: {level:.4g}}}, "
            "alerting: {fast: P2, slow: P3}, sli: {gauge: {metric: ml_model_auc_roc, window: 7d}}, alerts: ["
            f"{{name: ConceptDrift, tier: P2, when: {{all: [{{below: {level + 0.02:.4g}}}, "
            f"{{dropFrom: {{window: 30d, by: {self.limit(0.02, 0.05)}}}}}]}}, breaches: {{atLeast: 3, ofLast: 5}}, "
            "keepFiringFor: 2h}, "
            f"{{name: ModelDegraded, tier: P1, when: {{dropFrom: {{window: 30d, byRatio: {self.limit(0.1, 0.2)}}}}}, "
            f"for: {self.lasting()}}}]}}"
        )

    def fairness(self) -> str:
        return (
            "{name: fairness, layer: outcome, sli: {gauge: {metric: ml_fairness_demographic_parity_ratio, "
            "window: 7d}}, alerts: [{name: FairnessGuardrail, tier: P2, "
            f"when: {{below: {self.limit(0.75, 0.8, 0.9)}}}, "
            f"for: {self.lasting()}}}]}}"
        )


_SLOS: tuple[Callable[[_Model], str], ...] = (
    _Model.availability,
    _Model.latency,
    _Model.traffic,
    _Model.feature_drift,
    _Model.missing,
    _Model.invalid,
    _Model.collapse,
    _Model.prediction_drift,
    _Model.auc,
    _Model.fairness,
)


def slo_file(number: int, seed: int = 1, *, distinct: bool = False) -> str:
    """The ModelSLO file of the model ``model-<number>``. ``distinct``: no limit is another model's too."""
    rng = random.Random(f"{seed} {number}")
    model = _Model(rng, distinct)
    slos = "".join(f"    - {make(model)}\n" for make in _SLOS)
    head = _HEAD.format(name=f"model-{number:04}", team=rng.choice(_TEAMS))
    after = rng.choice(["15m", "30m", "1h"])
    return f"{head}{slos}  noData: {{tier: P2, after: {after}}}\n"


def write(folder: Path, models: int, seed: int = 1, *, distinct: bool = False) -> None:
    """``models`` ModelSLO files, and the AlertRouting file that they are for."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "routing.yaml").write_text(ROUTING)
    for number in range(models):
        (folder / f"model-{number:04}.yaml").write_text(slo_file(number, seed, distinct=distinct))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--distinct", action="store_true", help="no two models have a limit in common")
    options = parser.parse_args()
    write(options.folder, options.models, options.seed, distinct=options.distinct)


if __name__ == "__main__":
    main()
