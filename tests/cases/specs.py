"""Valid ModelSLO files, at random: every kind of condition, objective and companion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from mlslo.catalogue import METRICS, Metric, Type

Data = dict[str, Any]

_INTERVALS = ("15s", "30s", "1m", "2m", "5m")
# What is measured for each; a segment is crossed or not, all of it or one value.
_SEGMENTS: tuple[Data, ...] = (
    {},
    {"segment": "features.country"},
    {"segment": "features.country", "segment_value": "DE"},
    {"segment": "features.age_band,features.gender"},
)
_QUERIES: tuple[Data, ...] = (
    {"query": "sum(queue_length)"},
    {"query": 'max by (queue) (queue_length{job="fraud"})', "labels": ["queue"]},
    {
        "query": "sum by (version) (rate(requests_total[5m])) > bool 5",
        "labels": ["version"],
        "better": "higher",
    },
    {"query": "avg_over_time(up[10m])", "labels": ["job", "instance"], "better": "higher"},
    {"query": "1 - a / b", "unit": "ratio"},
    {"query": 'label_replace(a, "zone", "$1", "instance", "(.*)-.*")', "labels": ["zone"], "better": "lower"},
    {"query": "topk(3, age_seconds) or vector(0)", "unit": "seconds"},
)
_RATIOS: tuple[Data, ...] = (
    {
        "errors": 'sum(rate(http_requests_total{job="fraud",code=~"5.."}[{{.window}}]))',
        "total": 'sum(rate(http_requests_total{job="fraud"}[{{.window}}]))',
    },
    {
        "errors": 'sum(increase(bad_total[{{.window}}])) + sum(increase(worse_total{code!="0"}[{{.window}}]))',
        "total": "sum(increase(all_total[{{.window}}]))",
    },
    {"errors": "sum(rate(a_total[{{.window}}]))", "total": "sum(rate(a_total[{{.window}}]) * 2)"},
)
# By which they can be grouped as they are: what has a sum aggregates all labels away.
_GROUPED_RATIOS: tuple[Data, ...] = (
    {
        "errors": 'sum by (tenant, zone) (rate(http_requests_total{code=~"5.."}[{{.window}}]))',
        "total": 'rate(http_requests_total{zone!="test"}[{{.window}}])',
    },
    {
        "errors": "sum without (pod) (increase(bad_total[{{.window}}]))",
        "total": "sum by (zone, tenant) (increase(all_total[{{.window}}]))",
    },
)
_TIERS = ("P1", "P2", "P3")
_GAUGES = sorted(
    metric.name
    for metric in METRICS.values()
    if metric.type in (Type.GAUGE, Type.SUMMARY) and "model" in metric.labels
)
# Those for which more can be said than of the others.
_FAVOURITES = (
    "ml_feature_psi", "ml_feature_missing_ratio", "ml_model_auc_roc", "ml_predictions_per_second", "ml_prediction_mean",
)  # fmt: skip
# Kinds that are spread out, beside single limits.
_DURATIONS = ("1m", "90s", "2m", "5m", "10m", "30m", "1h")
_LONG = ("10m", "30m", "1h", "6h", "1d", "7d", "30d")
_SMALL = st.sampled_from((0.001, 0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 0.8, 1, 2, 3, 5, 12.5, 100))
_SHARES = st.one_of(
    st.sampled_from((0.001, 0.05, 0.3, 0.5, 0.72, 0.9, 0.99)),
    st.decimals("0.001", "0.999", places=3).map(float),
)
_NUMBERS = st.one_of(
    st.sampled_from((0, 0.5, 0.7, 0.95, 1, -1, 10, 99.9, 1e-6, 1e9, -0.25, 1000, 1_700_000_000)),
    st.decimals(-1000, 1000, places=3, allow_nan=False, allow_infinity=False).map(float),
)


@dataclass(frozen=True)
class _About:
    """What can be said of a gauge: whether it has a figure in the reference, several series, an error; its limits."""

    referred: bool = False
    several: bool = False
    noisy: bool = False
    limits: st.SearchStrategy[float] = field(default=_NUMBERS)

    @classmethod
    def of(cls, gauge: Data, metric: Metric) -> _About:
        chosen = {"model", "version", "window", "reference", *gauge.get("labels", {}), "average"}
        if "segment" not in gauge.get("labels", {}):
            chosen |= {"segment", "segment_value"}
        if "average" in metric.labels:
            chosen.add("class")
        limits = _SHARES if metric.unit in ("ratio", "boolean") else _NUMBERS.filter(lambda limit: limit > 0)
        if metric.unit in ("the feature's", "the target's", "the score's"):
            limits = _NUMBERS
        noisy = f"{metric.name}_standard_error" in METRICS and "class" not in gauge.get("labels", {})
        return cls(f"{metric.name}_reference" in METRICS, bool(set(metric.labels) - chosen), noisy, limits)


def _limit(limits: st.SearchStrategy[float]) -> st.SearchStrategy[Data]:
    return st.builds(
        lambda kind, value: {kind: value}, st.sampled_from(("above", "below", "atLeast", "atMost")), limits
    )


@st.composite
def _leaf(draw: st.DrawFn, about: _About) -> Data:
    """A condition on one gauge."""
    kinds = ["limit", "limit", "changeFrom", "dropFrom", "forecast", "adaptive"]
    kind = draw(
        st.sampled_from([*kinds, *["aboveReference"] * 3, "belowReference"] if about.referred else kinds)
    )
    length = st.sampled_from(_LONG)
    match kind:
        case "changeFrom":
            key = draw(st.sampled_from(("by", "byRatio")))
            return {kind: {"offset": draw(length), key: draw(_SMALL)}}
        case "dropFrom":
            amount = draw(st.sampled_from((("by", 0.05), ("by", 3), ("byRatio", 0.2), ("byRatio", 0.5))))
            return {kind: {"window": draw(length), **_maybe_offset(draw), amount[0]: amount[1]}}
        case "forecast":
            side = draw(st.sampled_from(("above", "below")))
            return {kind: {side: draw(about.limits), "within": draw(length), "basedOn": draw(length)}}
        case "adaptive":
            found = {
                "deviations": draw(st.sampled_from((1, 2.5, 3, 4, 6))),
                "window": draw(length),
                **_maybe_offset(draw),
            }
            if direction := draw(st.sampled_from((None, "above", "below", "both"))):
                found["direction"] = direction
            if minimum := draw(st.one_of(st.none(), _SMALL)):
                found["minimum"] = minimum
            return {kind: found}
        case "aboveReference":
            floor = draw(st.sampled_from((None, 0.01, 0.2)))
            return {kind: {"byFactor": draw(_SMALL), **({} if floor is None else {"floor": floor})}}
        case "belowReference":
            return {kind: {"byFactor": draw(_SMALL)}}
        case _:
            found = draw(_limit(about.limits))
            return {**found, "beyondNoise": True} if about.noisy and draw(st.booleans()) else found


def _maybe_offset(draw: st.DrawFn) -> Data:
    offset = draw(st.sampled_from((None, None, "5m", "30m", "1d")))
    return {} if offset is None else {"offset": offset}


def _condition(about: _About) -> st.SearchStrategy[Data]:
    leaf = _leaf(about)
    several = st.builds(
        lambda word, parts: {word: parts},
        st.sampled_from(("all", "any")),
        st.lists(leaf, min_size=2, max_size=3),
    )
    return st.one_of(leaf, leaf, leaf, several)


@st.composite
def _alert(draw: st.DrawFn, name: str, about: _About) -> Data:
    when = dict(draw(_condition(about)))
    if about.several and draw(st.booleans()):
        when["series"] = draw(
            st.sampled_from(
                ({"atLeast": 1}, {"atLeast": 2}, {"atLeast": 4}, {"atLeastRatio": 0.3}, {"atLeastRatio": 1})
            )
        )
    found: Data = {"name": name, "tier": draw(st.sampled_from(_TIERS)), "when": when}
    if draw(st.booleans()):
        found["for"] = draw(st.sampled_from(_DURATIONS))
    if draw(st.integers(0, 2)) == 0:
        last = draw(st.integers(2, 7))
        found["breaches"] = {"atLeast": draw(st.integers(1, last)), "ofLast": last}
    if draw(st.integers(0, 3)) == 0:
        found["summary"] = "{{ slo }}: {{ value }}, {{ condition }} {"
    if draw(st.integers(0, 2)) == 0:
        found["keepFiringFor"] = draw(st.sampled_from(_DURATIONS))
    return found


@st.composite
def _gauge(draw: st.DrawFn) -> tuple[Data, Metric]:
    metric = METRICS[draw(st.one_of(st.sampled_from(_FAVOURITES), st.sampled_from(_GAUGES)))]
    found: Data = {"metric": metric.name}
    if "window" in metric.labels:
        found["window"] = draw(st.sampled_from(("1h", "1d", "7d")))
    if "reference" in metric.labels:
        found["reference"] = "training"
    labels = dict(draw(st.sampled_from(_SEGMENTS))) if "segment" in metric.labels else {}
    for label, value in (
        ("feature", "amount"),
        ("quantile", "0.99"),
        ("average", "weighted"),
        ("class", "yes"),
    ):
        if label in metric.labels and draw(st.integers(0, 3)) == 0:
            labels[label] = value
    if labels:
        found["labels"] = labels
    if how := draw(st.sampled_from((None, None, "worst", "weighted"))):
        found["replicas"] = how
    return found, metric


@st.composite
def _objective(draw: st.DrawFn) -> Data:
    found: Data = {
        "objective": draw(st.sampled_from((50, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99))),
        "timeWindow": draw(st.sampled_from(("7d", "28d", "30d", "90d"))),
    }
    if draw(st.integers(0, 2)) == 0:
        found["alerting"] = {
            "windows": draw(
                st.sampled_from(
                    (
                        [{"factor": 10, "short": "5m", "long": "1h", "burn": "fast"}],
                        [
                            {"factor": 3.5, "short": "10m", "long": "2h", "burn": "fast"},
                            {"factor": 1, "short": "30m", "long": "6h", "burn": "slow"},
                        ],
                        [{"factor": 1.5, "short": "5m", "long": "30m", "burn": "slow"}],
                    )
                )
            )
        }
        found["timeWindow"] = draw(st.sampled_from(("1d", "2d", "14d")))
    if draw(st.integers(0, 3)) == 0:
        found.setdefault("alerting", {})["minimumEvents"] = draw(st.sampled_from((1, 100, 5000)))
    if draw(st.integers(0, 3)) == 0:
        found.setdefault("alerting", {})["for"] = draw(st.sampled_from(_DURATIONS))
    if draw(st.integers(0, 3)) == 0:
        found.setdefault("alerting", {})["summary"] = "{{ slo }} burns {{ value }}: {{ budget_left }}"
    if "windows" not in found.get("alerting", {}) and draw(st.integers(0, 3)) == 0:
        zone = draw(st.sampled_from(("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")))
        # The end of a month is far away.
        found["timeWindow"] = {"calendar": "week", "zone": zone}
    return found


@st.composite
def _slo(draw: st.DrawFn, index: int) -> Data:
    found: Data = {"name": f"slo-{index}", "layer": draw(st.sampled_from(("service", "data", "outcome")))}
    kind = draw(st.sampled_from(("gauge", "gauge", "gauge", "gauge", "promql", "events")))
    if kind == "events":
        counted: tuple[Data, ...] = ({"errors": {}}, {"latency": {"below": "250ms"}})
        if draw(st.booleans()):
            sli = draw(st.sampled_from((*counted, *({"ratio": one} for one in _GROUPED_RATIOS))))
            groups = (
                ["tenant", "zone"]
                if "ratio" in sli
                else draw(st.sampled_from((["tenant"], ["zone", "version"])))
            )
            found |= {"groupBy": groups, "maxGroups": draw(st.sampled_from((1, 2, 7)))}
            return {**found, "sli": sli, **draw(_objective())}
        sli = draw(st.sampled_from((*counted, *({"ratio": one} for one in _RATIOS))))
        return {**found, "sli": sli, **draw(_objective())}
    about = _About()
    if kind == "gauge":
        gauge, metric = draw(_gauge())
        found["sli"] = {"gauge": gauge}
        about = _About.of(gauge, metric)
    else:
        found["sli"] = {"promql": draw(st.sampled_from(_QUERIES))}
        several = any(label != "version" for label in found["sli"]["promql"].get("labels", []))
        about = _About(several=several)
    good = draw(st.integers(0, 4)) == 0
    if good:
        found |= {**draw(_objective()), "good": draw(_limit(about.limits))}
    names = [f"Alert{index}{letter}" for letter in "ABC"[: draw(st.integers(0 if good else 1, 2))]]
    found["alerts"] = [draw(_alert(name, about)) for name in names]
    return found


@st.composite
def _companions(draw: st.DrawFn) -> Data:
    tier, after = st.sampled_from(_TIERS), st.sampled_from(("1m", "90s", "5m", "20m"))
    found: Data = {
        "labelsStale": {"tier": draw(tier), "after": draw(st.sampled_from(("4m", "3h", "2d")))},
        "sinkDown": {"tier": draw(tier), "after": draw(after)},
        "sinkBehind": {"tier": draw(tier), "after": draw(after)},
        "referenceOld": {"tier": draw(tier), "after": draw(st.sampled_from(("1d", "90d")))},
        "unmonitored": {
            "tier": draw(tier), "atLeastRatio": draw(st.sampled_from((0.1, 0.3, 1))), "after": draw(after),
        },
        "fieldMissing": {"tier": draw(tier), "after": draw(after)},
    }  # fmt: skip
    chosen = draw(st.sets(st.sampled_from(sorted(found)), min_size=1))
    return {key: value for key, value in found.items() if key in chosen}


@st.composite
def specs(draw: st.DrawFn) -> tuple[Data, str]:
    """A ModelSLO file as data, and how often its rules are evaluated."""
    spec: Data = {"model": "fraud", "slos": [draw(_slo(index)) for index in range(draw(st.integers(1, 2)))]}
    if draw(st.booleans()):
        spec["noData"] = {
            "tier": draw(st.sampled_from(_TIERS)),
            "after": draw(st.sampled_from(("1m", "3m", "10m"))),
        }
    if draw(st.integers(0, 3)) == 0:
        spec["companions"] = draw(_companions())
    file = {"apiVersion": "mlslo/v1", "kind": "ModelSLO", "metadata": {"name": "fraud"}, "spec": spec}
    return file, draw(st.sampled_from(_INTERVALS))
