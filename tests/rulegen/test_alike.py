"""Parts that are made once for many models are what each model would get alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import fleet
from rulegen.generate import Generated, generate
from rulegen.slo import alike
from rulegen.slo.alerts import GaugeAlert
from rulegen.unittests import gauges
from rulegen.validation import specs
from tests.support.paths import CONTRACT


def _generated(folder: Path) -> Generated:
    return generate(specs.load([folder]))


def test_a_fleet_is_what_each_model_would_get_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.write(tmp_path, 5)
    fraud = (CONTRACT / "fraud.slo.yaml").read_text()
    (tmp_path / "fraud.yaml").write_text(fraud)
    # As a word of YAML, of PromQL, of a template, with a team and an address that have to be quoted.
    for number, name in enumerate(
        ("yes", "psi", "alert", "a b: c", "x.y", 'quo"te', "mlslo-open-file", "P2")
    ):
        text = fraud.replace("name: fraud", f"name: copy{number}").replace("model: fraud", f"model: '{name}'")
        text = text.replace("team: risk", f"team: 'no. {number}: yes'").replace(
            "example.org/fraud", "x.org/#a 'b'"
        )
        (tmp_path / f"copy{number}.yaml").write_text(text)
    # Whose queries name the model, as a text of its own or within another.
    query = """
    - name: queue
      layer: service
      sli:
        promql:
          query: max by (model, queue) (queue_age{model="fraud",queue=~"fraud|x",job!="fraud-b"})
          labels: [queue]
      alerts:
        - {name: QueueOld, tier: P2, when: {above: 3}, for: 10m}
"""
    for name in ("card", "abc", "zebra"):
        text = fraud.replace("  slos:\n", f"  slos:\n{query}", 1)
        (tmp_path / f"{name}.yaml").write_text(text.replace("fraud", name))
    together = _generated(tmp_path)
    monkeypatch.setattr(alike, "_PLAIN", re.compile("(?!)"))
    alone = _generated(tmp_path)
    assert together.files == alone.files
    assert together.warnings == alone.warnings
    assert not any("mlslo-open" in text for name, text in alone.files.items() if "copy6" not in name)


def test_words_of_ours_in_the_routing_file_stay(tmp_path: Path) -> None:
    routing = (CONTRACT / "routing.yaml").read_text().replace("oncall", "mlslo-open-file")
    (tmp_path / "routing.yaml").write_text(routing)
    (tmp_path / "fraud.yaml").write_text((CONTRACT / "fraud.slo.yaml").read_text())
    assert "`risk-mlslo-open-file`" in _generated(tmp_path).files["runbooks/fraud/NoPredictions.md"]


def test_one_part_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = gauges.tests

    def counted(alert: GaugeAlert) -> object:
        made.append(alert.rule.name)
        return real(alert)

    monkeypatch.setattr(gauges, "tests", counted)
    text = (CONTRACT / "fraud.slo.yaml").read_text()
    (tmp_path / "routing.yaml").write_text((CONTRACT / "routing.yaml").read_text())
    for name in ("one", "two", "three"):
        own = text.replace("name: fraud", f"name: {name}").replace("model: fraud", f"model: {name}")
        own = own.replace("above: 0.25", "above: 0.3") if name == "three" else own
        (tmp_path / f"{name}.yaml").write_text(own)
    _generated(tmp_path)
    assert made.count("FeaturesDrifting") == 2
    assert made.count("FeatureDrift") == made.count("ConceptDrift") == 1
