"""Account of each feature that a baseline found, for the engineer to correct."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.features.timestamp import time_text
from exporter.references.reference import FeatureViews, ViewReference
from exporter.summary.numeric import NumericSummary

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_TEXT = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_SHOWN = 5
_EXPECTED = {
    "numeric": "a number",
    "boolean": "true or false",
    "timestamp": "a time",
    "embedding": "such a vector",
}


@dataclass(frozen=True)
class Account:
    """``kind``: of the feature, "left out" or "segment". ``correction``: what to write below ``features:``."""

    feature: str
    kind: str
    declared: bool
    detail: str
    correction: str = ""

    def line(self) -> str:
        """Format the account for a person."""
        how = "declared" if self.declared else "inferred" if self.correction else ""
        otherwise = f"; if not, write {self.correction}" if how == "inferred" else ""
        return f"{self.feature:<28} {self.kind:<12} {how:<9} {self.detail}{otherwise}"


def of_left_out(feature: str, reason: str, *, declared: bool) -> Account:
    """Return the account of a column that is no feature."""
    return Account(feature, "left out", declared, reason, _correction(feature, "type: categorical"))


def of_feature(feature: str, item: FeatureViews, remark: str, *, declared: bool) -> Account:
    """Return the account of a feature; ``remark``: what was noticed when its kind was inferred."""
    summary = item.primary.summary
    details = [_what(item), _missing(item.primary)]
    invalid = float(getattr(summary, "invalid", getattr(summary, "unseen", 0.0)))
    if invalid:
        details.append(f"not {_EXPECTED.get(item.kind, 'such a value')} {invalid / summary.rows:.2%}")
    if remark:
        details.append(remark)
    return Account(
        feature, item.kind, declared, ", ".join(details), _correction(feature, _otherwise(item, remark))
    )


def of_answer(name: str, found: ViewReference) -> Account:
    """Return the account of predictions or labels."""
    kind = "numeric" if isinstance(found.summary, NumericSummary) else "categorical"
    return Account(name, kind, False, f"{_values(found)}, {_missing(found)}")


def of_segment(name: str, rows: Mapping[str, int], least: int) -> Account:
    """Return the account of a segment or attribute. ``rows``: of each value; ``least``: fewer are not compared."""
    shown = ", ".join(f"{value} {number}" for value, number in list(rows.items())[:_SHOWN])
    detail = f"{len(rows)} values ({shown}{', ...' if len(rows) > _SHOWN else ''} rows)"
    few = sum(number < least for number in rows.values())
    return Account(name, "segment", True, f"{detail}, {few} of fewer than {least} rows" if few else detail)


def of_segment_without_data(name: str) -> Account:
    """Return the account of a segment or attribute that the data does not have."""
    return Account(name, "segment", True, "not in the data: what compares it with this reference is withheld")


def _what(item: FeatureViews) -> str:
    primary = item.primary
    if item.kind == "boolean":
        true = primary.summary.over(("true",))[0]
        return f"true {float(true) / primary.summary.present:.2%}"
    if item.kind == "timestamp":
        first, last = float(primary.summary.minimum), float(primary.summary.maximum)
        return f"{time_text(first, 'seconds')} to {time_text(last, 'seconds')}"
    if item.kind == "text":
        return f"{_values(primary)} characters"
    if item.kind == "embedding":
        return f"{item.views['vector'].summary.total.size} dimensions, length {_values(primary)}"
    return _values(primary)


def _values(found: ViewReference) -> str:
    summary = found.summary
    if isinstance(summary, NumericSummary):
        return f"{float(summary.minimum):.6g} to {float(summary.maximum):.6g}, mean {summary.mean:.6g}"
    names = summary.categories
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{len(names)} categories ({shown})"


def _missing(found: ViewReference) -> str:
    missing = float(found.summary.missing)
    return f"missing {missing / found.summary.rows:.2%}" if missing else "never missing"


def _otherwise(item: FeatureViews, remark: str) -> str:
    if item.kind == "numeric" and not remark:
        low, high = float(item.primary.summary.minimum), float(item.primary.summary.maximum)
        if f"{low:.6g}" != f"{high:.6g}":
            return f"type: numeric, range: [{low:.6g}, {high:.6g}]"
    return "type: text" if item.kind == "categorical" else "type: categorical"


def _correction(feature: str, what: str) -> str:
    return f"{named(feature)}: {{{what}}}"


def named(feature: str) -> str:
    """Return a feature's name as a key of YAML."""
    plain = _PLAIN.fullmatch(feature) and feature.lower() not in _NOT_TEXT
    return feature if plain else json.dumps(feature, ensure_ascii=False)
