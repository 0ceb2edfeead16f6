"""A first ModelSLO file for a model: the alerts that its task deserves and its monitor file can measure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import yaml

from mlslo.catalogue import METRICS
from mlslo.monitor import Monitor, Reference, scope_name
from mlslo.monitor.measurable import lacking, unfit
from mlslo.yamlfile.commented import Block, Noted, dump
from rulegen.conditions.beyond_noise import error_of
from rulegen.conditions.reference import counterpart
from rulegen.validation.exported_checks import not_exported

_TABLE: list[dict[str, Any]] = yaml.safe_load(
    (resources.files("rulegen") / "drafts/first_slos.yaml").read_bytes()
)
_EACH = {"SEGMENT": "segments", "ATTRIBUTE": "attributes"}
_MOST_SCOPES = 3
_BUCKET, _K = "500ms", 10
_NO_DATA = 1800


def model_slo(monitor: Monitor) -> tuple[str, str]:
    """Return the name of the first ModelSLO file for a model, and its text."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", monitor.model)[:60].strip("-._") or "model"
    after = "30m" if monitor.spec.schedule.seconds < _NO_DATA else "1d"
    spec = Block({"model": monitor.model})
    spec.comment("Lints hold thresholds against the noise of so many rows, once you say how many there are:")
    spec.comment("expected: {predictionsPerSecond: 10}")
    spec["slos"] = list(_slos(monitor))
    spec.comment()
    spec["noData"] = Noted({"tier": "P2", "after": after}, "a missing gauge must not look like a healthy one")
    spec["companions"] = _companions(monitor)
    metadata = Block({"name": name})
    metadata.comment(
        "labels: {team: growth}    # on every alert; spec.teams of the routing file can route by it"
    )
    metadata.comment('annotations: {runbook_url: "https://runbooks.example.org/…"}')
    content = Block()
    content.comment("Written by `mlslo-rulegen init`: a beginning. Edit limits and tiers.")
    content.update({"apiVersion": "mlslo/v1", "kind": "ModelSLO", "metadata": metadata, "spec": spec})
    return name, dump(content)


def _slos(monitor: Monitor) -> Iterator[Block]:
    for row in _TABLE:
        if not _is_deserved(row, monitor):
            continue
        for words in _words(row["slo"], monitor):
            slo = _filled(row["slo"], words)
            if not _is_measured(slo, monitor):
                continue
            block = Block(slo)
            first = next(iter(block))
            if "about" in row:
                block[first] = Noted(block[first], row["about"].replace("SHORT", words["SHORT"]))
            yield block


def _is_deserved(row: Mapping[str, Any], monitor: Monitor) -> bool:
    spec = monitor.spec
    if spec.task not in row.get("tasks", [spec.task]):
        return False
    fields, types = spec.predictions.fields, [feature.type for feature in spec.features.values()]
    there = {
        None: True,
        "status": spec.predictions.tells_errors,
        "latency": fields.latency is not None,
        "score": fields.score is not None,
        "prediction alone": fields.score is None,
        "no labels": spec.labels is None,
        # Those that the file does not name are told by a reference.
        "categories": not types or any(type_ in ("categorical", "boolean") for type_ in types),
        "ranges": any(feature.range for feature in spec.features.values()),
        "static": any(reference.static for reference in spec.references.values()),
        "no static": not any(reference.static for reference in spec.references.values()),
    }
    return there[row.get("needs")]


def _words(slo: Mapping[str, Any], monitor: Monitor) -> Iterator[dict[str, str]]:
    """Yield what the words in capitals stand for, once for each segment or attribute."""
    spec = monitor.spec
    windows = sorted(spec.windows, key=lambda window: window.seconds)
    buckets = [str(bucket) for bucket in spec.latencyBuckets]
    cutoffs = spec.predictions.cutoffs
    words = {
        "SHORT": str(windows[0]),
        "LONG": str(windows[-1]),
        "REFERENCE": _best(spec.references),
        "BUCKET": _BUCKET if _BUCKET in buckets else buckets[len(buckets) // 2],
        "K": str(_K if _K in cutoffs else cutoffs[-1]),
    }
    scopes = {"segments": spec.segments, "attributes": spec.fairness.attributes if spec.fairness else []}
    each = next((word for word in _EACH if word in slo["name"]), None)
    if each is None:
        yield words
        return
    for scope in scopes[_EACH[each]][:_MOST_SCOPES]:
        yield {**words, each: scope_name(scope)}


def _best(references: Mapping[str, Reference]) -> str:
    """Return the reference that drift is measured against: of training data before one of the model's own past."""
    for kind in ("static", "first", "calendar", "sliding"):
        for name, reference in references.items():
            if getattr(reference, kind) is not None:
                return name
    return ""


def _filled(value: Any, words: Mapping[str, str], key: str = "") -> Any:
    """Return ``value`` with its words in capitals replaced; in names by letters and digits alone."""
    if isinstance(value, dict):
        return {inner: _filled(item, words, inner) for inner, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, words, key) for item in value]
    if not isinstance(value, str):
        return value
    if value in words:
        return words[value]
    for word in (word for word in words if key == "name" and word in value):
        parts = re.findall("[A-Za-z0-9]+", words[word].replace("features.", "")) or ["group"]
        joined = (
            "".join(part[:1].upper() + part[1:] for part in parts)
            if value[0].isupper()
            else "-".join(parts).lower()
        )
        value = value.replace(word, joined)[:60]
    return value


def _is_measured(slo: Mapping[str, Any], monitor: Monitor) -> bool:
    gauge, spec, file = slo["sli"].get("gauge"), monitor.spec, monitor.path.name
    if gauge is None:
        return True
    metric, reference = METRICS[gauge["metric"]], gauge.get("reference")
    said = str(slo["alerts"])
    compared = "aboveReference" in said or "belowReference" in said
    if (reference is not None or compared) and not spec.references:
        return False
    if (
        compared
        and (other := counterpart(metric))
        and (lacking(other, spec, file) or not_exported(monitor, other, segmented=False))
    ):
        return False
    error = error_of(metric) if "beyondNoise" in said else None
    if error is not None and not_exported(monitor, error, segmented=False):
        return False
    return not (
        lacking(metric, spec, file)
        or (reference and unfit(metric, reference, spec.references))
        or not_exported(monitor, metric, segmented="segment" in gauge.get("labels", {}))
    )


def _companions(monitor: Monitor) -> Block:
    spec = monitor.spec
    found = Block()
    if (
        spec.labels is not None
        and spec.labels.fields.timestamp is not None
        and _exports(monitor, "ml_label_watermark_timestamp_seconds")
    ):
        found["labelsStale"] = Noted({"tier": "P2", "after": "1d"}, "when labels stop, quality alerts end")
    found["sinkDown"] = {"tier": "P2", "after": "10m"}
    found["sinkBehind"] = {"tier": "P3", "after": "30m"}
    if any(reference.static for reference in spec.references.values()):
        found["referenceOld"] = {"tier": "P3", "after": "180d"}
    if spec.predictions.fields.features is not None and _exports(
        monitor, "ml_feature_missing_ratio", "ml_predictions_total"
    ):
        found["unmonitored"] = {"tier": "P3", "atLeastRatio": 0.2}
    found["fieldMissing"] = {"tier": "P3"}
    return found


def _exports(monitor: Monitor, *names: str) -> bool:
    return not any(not_exported(monitor, METRICS[name], segmented=False) for name in names)
