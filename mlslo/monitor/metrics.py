"""Choice of metrics: which of the catalogue a model exports, of all traffic and of its segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from mlslo.catalogue import METRICS, Layer, Metric
from mlslo.yamlfile import StrictModel, did_you_mean

_LAYERS = tuple(layer.value for layer in Layer)
_NAME = 1000


def _exactness(metric: Metric, words: Sequence[str]) -> int:
    """How exactly ``words`` name ``metric``: by name, by a family (the longer, the more exact), by layer; else 0."""
    found = 0
    for word in words:
        if word == metric.name:
            return _NAME
        if word.endswith("*") and metric.name.startswith(word[:-1]):
            found = max(found, 1 + len(word))
        elif word == metric.layer.value:
            found = max(found, 1)
    return found


def _named(word: str) -> list[Metric]:
    return [metric for metric in METRICS.values() if _exactness(metric, [word])]


def _known(word: str) -> str:
    if not _named(word):
        near = did_you_mean(word.removesuffix("*"), [*_LAYERS, *METRICS])
        raise ValueError(
            f"'{word}' is no metric, expected a layer ({', '.join(_LAYERS)}), a name, or a family such as "
            f"ml_feature_*{near}"
        )
    return word


def _of_segments(word: str) -> str:
    # Of a layer: what there is of it.
    if word not in _LAYERS and not any("segment" in metric.labels for metric in _named(_known(word))):
        raise ValueError(f"'{word}' is not measured by segment")
    return _known(word)


def _not_meta(word: str) -> str:
    if all(metric.layer is Layer.META for metric in _named(_known(word))):
        raise ValueError(f"'{word}' is about the exporter itself, and always exported")
    return word


Known = Annotated[str, AfterValidator(_known)]
Segmented = Annotated[str, AfterValidator(_of_segments)]
Dispensable = Annotated[str, AfterValidator(_not_meta)]


class SegmentMetrics(StrictModel):
    """Metrics that segments have more, and less, than by default."""

    include: list[Segmented] = Field(
        default_factory=list, description="Layers, metrics and families (`ml_feature_*`) beside the default."
    )
    exclude: list[Dispensable] = Field(
        default_factory=list, description="Layers, metrics and families that are left out."
    )


def _form_of_segments(value: Any) -> str:
    return "changes" if isinstance(value, dict | SegmentMetrics) else "list"


class Metrics(StrictModel):
    """The metrics that are exported. Where a metric is both included and excluded, the more exact word counts."""

    include: list[Known] = Field(
        default_factory=list,
        description="Layers, metrics and families (`ml_feature_*`) of all traffic beside the default.",
    )
    exclude: list[Dispensable] = Field(
        default_factory=list,
        description="Layers, metrics and families that are left out, of all traffic and of segments.",
    )
    segments: (
        Annotated[
            Annotated[list[Segmented], Tag("list")] | Annotated[SegmentMetrics, Tag("changes")],
            Discriminator(_form_of_segments),
        ]
        | None
    ) = Field(None, description="What segments have: a list in place of the default, or changes to it.")

    def exported(self, *, detail: bool) -> Exported:
        """Return what is exported. ``detail``: of a model whose series are few enough for it."""
        dispensable = [metric for metric in METRICS.values() if metric.layer is not Layer.META]
        everywhere = [metric for metric in dispensable if not self._excluded(metric)]
        traffic = {
            metric.name
            for metric in everywhere
            if detail or not metric.detail or _exactness(metric, self.include)
        }
        segments = {
            metric.name for metric in everywhere if "segment" in metric.labels and self._of_segments(metric)
        }
        meta = METRICS.keys() - {metric.name for metric in dispensable}
        return Exported(frozenset(traffic | meta), frozenset(segments | meta))

    def left_out_of_segments(self, metric: Metric) -> bool:
        """Return whether ``segments.exclude`` names ``metric``, as exactly as anything there."""
        if not isinstance(self.segments, SegmentMetrics):
            return False
        left_out = _exactness(metric, self.segments.exclude)
        return left_out > 0 and left_out >= _exactness(metric, self.segments.include)

    def _excluded(self, metric: Metric) -> bool:
        left_out = _exactness(metric, self.exclude)
        return left_out > 0 and left_out >= _exactness(metric, self.include)

    def _of_segments(self, metric: Metric) -> bool:
        if isinstance(self.segments, list):
            return _exactness(metric, self.segments) > 0
        if self.segments is None:
            return metric.segments
        included = metric.segments or _exactness(metric, self.segments.include) > 0
        return included and not self.left_out_of_segments(metric)


@dataclass(frozen=True)
class Exported:
    """Names of the metrics that a model exports: of ``traffic`` as a whole, and of each value of its ``segments``.

    Those of the exporter's own health are always among them.
    """

    traffic: frozenset[str]
    segments: frozenset[str]

    def of(self, segment: str) -> frozenset[str]:
        """Return those of a segment; of all traffic where it is empty."""
        return self.segments if segment else self.traffic
