"""The closed forms of noise are near the levels that the exporter measures; ranges hold what it measures."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from scipy import stats

from exporter.cli import main
from exporter.statistics.divergences import hellinger_noise, jensen_shannon_noise, psi_noise
from exporter.statistics.kolmogorov_smirnov import kolmogorov_smirnov_noise
from exporter.statistics.mean_shift import mean_shift_noise
from exporter.statistics.wasserstein import wasserstein_noise
from mlslo.catalogue import METRICS
from rulegen.conditions import Condition
from rulegen.lint import noise
from rulegen.lint.holds import may_hold, must_hold
from rulegen.sli.metric_ranges import ALL, Range, possible
from tests.exporter.statistics.test_oracles import binned
from tests.support.paths import DIABETES
from tests.support.references import quantile_edges

VALUES = {
    "normal": lambda rng, size: rng.normal(size=size),
    "uniform": lambda rng, size: rng.uniform(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
}


@pytest.mark.parametrize(("rows", "reference_rows"), [(200, 2000), (1000, 10_000), (20_000, 20_000)])
@pytest.mark.parametrize("name", VALUES)
def test_numbers(name: str, rows: int, reference_rows: int) -> None:
    """Within a tenth of what is measured from the counts; where values hardly repeat, the exporter's is no bound."""
    values = VALUES[name](np.random.default_rng(1), reference_rows)
    edges, deciles = quantile_edges(values)
    reference, deviation = binned(values, edges), float(values.std())
    counts = reference.regrouped(deciles)
    measured = {
        "psi": psi_noise(rows, counts),
        "js_distance": jensen_shannon_noise(rows, counts),
        "hellinger_distance": hellinger_noise(rows, counts),
        "ks_statistic": kolmogorov_smirnov_noise(rows, reference.counts),
        "wasserstein_distance": wasserstein_noise(rows, reference, edges, deviation),
        "mean_shift_sigmas": mean_shift_noise(rows, reference_rows, deviation),
    }
    for statistic, level in measured.items():
        assert level is not None
        found = noise.level(statistic, rows, reference_rows, "top")
        assert found is not None
        assert found == pytest.approx(level, rel=0.1), statistic
        middle = noise.level(statistic, rows, reference_rows, "middle")
        assert middle is not None
        assert middle < found


def test_without_the_reference_the_noise_is_less() -> None:
    for statistic in (
        "psi",
        "js_distance",
        "hellinger_distance",
        "ks_statistic",
        "wasserstein_distance",
        "mean_shift_sigmas",
    ):
        known = noise.level(statistic, 500, 1000, "top")
        unknown = noise.level(statistic, 500, math.inf, "top")
        assert known is not None
        assert unknown is not None
        assert unknown < known
    assert noise.level("missing_ratio", 500, 1000, "top") is None


@given(st.sampled_from([0.5, 0.9, 0.99]), st.integers(1, 500))
def test_chi_squared(probability: float, degrees: int) -> None:
    exact = float(stats.chi2.ppf(probability, degrees))
    assert noise.chi_squared_quantile(probability, degrees) == pytest.approx(
        exact, rel=0.04 if degrees == 1 else 0.015
    )


POINTS = [number / 8 for number in range(-24, 25)]
RANGES = [Range(), Range(0), Range(0, 1), Range(high=1), Range(-1, 2)]
limits = st.one_of(
    *(st.fixed_dictionaries({key: st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])})
      for key in ("above", "below", "atLeast", "atMost")),
    st.sampled_from([{"dropFrom": {"window": "1d", "by": by}} for by in (0.25, 0.5, 1)]),
)  # fmt: skip
conditions = st.recursive(
    limits,
    lambda inner: st.dictionaries(
        st.sampled_from(["all", "any"]), st.lists(inner, min_size=2, max_size=3), min_size=1, max_size=1
    ),
    max_leaves=5,
)


def holds(condition: Condition, value: float, possible: Range, *, compared: bool) -> bool:
    if condition.dropFrom is not None:
        assert condition.dropFrom.by is not None
        return compared and value < possible.high - condition.dropFrom.by
    if condition.all or condition.any:
        inner = [
            holds(one, value, possible, compared=compared) for one in condition.all or condition.any or ()
        ]
        return all(inner) if condition.all else any(inner)
    return condition.is_met(value)


@given(conditions, st.sampled_from(RANGES))
def test_what_may_hold_and_must(written: dict[str, object], possible: Range) -> None:
    """As asked at every eighth, which is between all limits, and beyond them."""
    condition = Condition.model_validate(written)
    points = [point for point in POINTS if possible.low <= point <= possible.high]
    assert may_hold(condition, possible) == any(
        holds(condition, one, possible, compared=True) for one in points
    )
    assert must_hold(condition, possible) == all(
        holds(condition, one, possible, compared=False) for one in points
    )


@pytest.mark.slow
def test_what_the_example_measures_is_within_the_ranges(tmp_path: Path) -> None:
    """Every gauge that the exporter tells of the example model, against what the lints hold to be possible."""
    shutil.copytree(DIABETES, tmp_path / "diabetes")
    monitor = tmp_path / "diabetes" / "monitor.yaml"
    reference = tmp_path / "diabetes" / "references" / "validation.json"
    data = tmp_path / "diabetes" / "reference-data.jsonl"
    built = CliRunner().invoke(main, ["baseline", str(monitor), "--data", str(data), "--out", str(reference)])
    assert built.exit_code == 0, built.output
    once = CliRunner().invoke(main, ["once", str(monitor), "--at", "2025-01-06T08:00:00Z"])
    assert once.exit_code == 0, once.output
    looked_at = set()
    for family in text_string_to_metric_families(once.stdout):
        for sample in family.samples:
            if sample.name in METRICS:
                low, high = possible(METRICS[sample.name])
                assert low <= sample.value <= high, sample
                looked_at.add(sample.name)
    assert len(looked_at) > 50


def test_a_metric_of_no_known_range_may_have_any_value() -> None:
    assert possible(METRICS["ml_feature_mean"]) == ALL
    assert ALL.low < -1e9 < ALL.high
