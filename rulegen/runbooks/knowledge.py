"""What is known of each family of metrics: causes in the order of how likely they are, and what to ask first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template

import yaml

from mlslo.catalogue import Metric
from rulegen.promql.expressions import quote

_CHOOSABLE = ("model", "slo", "window", "reference")
_FILES = ("service", "data", "prediction", "outcome", "meta")


@dataclass(frozen=True)
class Cause:
    """``look``: what is seen where it is this one."""

    cause: str
    look: str


@dataclass(frozen=True)
class Query:
    """A question, and the PromQL that answers it.

    In it ``model$model`` is the matcher of a label that the SLO chooses; ``$metric{$all}`` is what the SLO measures,
    of all traffic, and ``$metric{$segments}`` the same by segment.
    """

    ask: str
    promql: str


@dataclass(frozen=True)
class Family:
    """Metrics, or alerts, that fail for the same reasons."""

    name: str
    means: str
    causes: tuple[Cause, ...]
    do: tuple[str, ...]
    queries: tuple[Query, ...]

    def filled(self, chosen: Mapping[str, str], metric: Metric | None) -> list[Query]:
        """The queries about one SLO; without those by segment where its metric has none.

        ``chosen``: the values of ``model``, ``slo``, ``window``, ``reference``; one that is not chosen is only there.
        """
        matchers = {label: f"={quote(chosen[label])}" if label in chosen else '!=""' for label in _CHOOSABLE}
        segmented = metric is not None and "segment" in metric.labels
        if metric is not None:
            own = [f"{label}{matchers[label]}" for label in _CHOOSABLE if label in metric.labels]
            matchers["metric"] = metric.name
            matchers["all"] = ",".join([*own, *(['segment=""'] if segmented else [])])
            matchers["segments"] = ",".join([*own, 'segment!=""'])
        return [
            Query(query.ask, Template(query.promql).substitute(matchers))
            for query in self.queries
            if segmented or "$segments" not in query.promql
        ]


def family(name: str) -> Family:
    """The family of a metric, an alert of the generator's own, or a kind of SLI: the longest prefix counts."""
    known = families()
    return known[max((prefix for prefix in known if name.startswith(prefix)), key=len, default="ml_")]


@cache
def families() -> dict[str, Family]:
    """All of them, by the prefixes of their metrics."""
    folder = resources.files("rulegen") / "runbooks" / "knowledge"
    found: dict[str, Family] = {}
    for name in _FILES:
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        for entry in yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # noqa: S506 - both are safe
            causes = tuple(Cause(**cause) for cause in entry["causes"])
            queries = tuple(Query(**query) for query in entry["queries"])
            own = Family(entry["name"], entry["means"], causes, tuple(entry["do"]), queries)
            found |= dict.fromkeys(entry["metrics"], own)
    return found
