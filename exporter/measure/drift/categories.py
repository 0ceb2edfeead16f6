"""Categories against a reference's categories."""

from __future__ import annotations

from exporter.measure.drift.comparison import Comparison, Noise, Statistic
from exporter.statistics.contingency import chi_squared_p_value, cramers_v
from exporter.statistics.hellinger import hellinger_distance
from exporter.statistics.jensen_shannon import jensen_shannon_distance
from exporter.statistics.noise import cramers_v_noise, hellinger_noise, jensen_shannon_noise, psi_noise
from exporter.statistics.population_stability import population_stability_index
from exporter.summary.categorical import CategoricalSummary

STATISTICS: tuple[Statistic, ...] = (
    "psi",
    "js_distance",
    "hellinger_distance",
    "cramers_v",
    "chi2_p_value",
    "new_category_ratio",
)
OF_MIXES: tuple[Statistic, ...] = ("psi", "js_distance", "hellinger_distance")


def compare(
    current: CategoricalSummary, reference: CategoricalSummary, categories: tuple[str, ...]
) -> Comparison:
    """All statistics of categories. ``categories``: those of the reference that fixes the bins."""
    now, then = current.over(categories), reference.over(categories)
    p_value = chi_squared_p_value(now, then)
    return Comparison(
        values={
            "psi": population_stability_index(now, then),
            "js_distance": jensen_shannon_distance(now, then),
            "hellinger_distance": hellinger_distance(now, then),
            "cramers_v": cramers_v(now, then),
            "chi2_p_value": p_value,
            "new_category_ratio": float(now[then == 0].sum() / now.sum()) if now.sum() else None,
        },
        p_value=p_value,
    )


def noise(rows: float, reference: CategoricalSummary, categories: tuple[str, ...]) -> Noise:
    """The no-drift levels of ``rows`` values."""
    then = reference.over(categories)
    return {
        "psi": psi_noise(rows, then),
        "js_distance": jensen_shannon_noise(rows, then),
        "hellinger_distance": hellinger_noise(rows, then),
        "cramers_v": cramers_v_noise(rows, then),
    }


def compare_mixes(
    current: CategoricalSummary, reference: CategoricalSummary, categories: tuple[str, ...]
) -> Comparison:
    """The statistics of what values are made of. A value is no sample of its parts: there is no p-value."""
    now, then = current.over(categories), reference.over(categories)
    return Comparison(
        {
            "psi": population_stability_index(now, then),
            "js_distance": jensen_shannon_distance(now, then),
            "hellinger_distance": hellinger_distance(now, then),
        }
    )
