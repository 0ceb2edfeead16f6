"""Pages of the models: an index of all, and one with the pictures of each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from urllib.parse import quote, urlencode

import jinja2

from exporter.measure.exposition import Snapshot
from exporter.measure.gauges import WindowSummaries
from exporter.pages import svg
from exporter.pages.comparison import VersionsCompared, cells
from exporter.pages.distributions import Distribution, features, most_drifted, prediction
from exporter.pages.outcomes import Outcomes, outcomes
from exporter.pages.tables import Shown
from exporter.pages.withheld import IN_WORDS
from mlslo.version import VERSION

_MOST_PICTURES = 120


@dataclass(frozen=True)
class Choice:
    """A choice of what to see; what there is not gives way to what there is."""

    version: str | None = None
    window: str | None = None
    reference: str | None = None
    baseline: str | None = None
    segment: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Choice:
        """Return the choice that the query of an address makes."""
        names = ("version", "window", "reference", "baseline", "segment")
        return cls(*(query.get(name, [None])[0] for name in names))

    def among(self, snapshot: Snapshot) -> Choice:
        """Return the choice of what ``snapshot`` has: by default the busiest version, its shortest window that has rows
        enough, the first reference, and as baseline the busiest other version.
        """
        if not snapshot.windows:
            return Choice()
        versions = _versions(snapshot)
        version = self.version if self.version in versions else versions[0]
        mine = _windows_of(snapshot, version)
        window = next((item for item in mine if item.window == self.window), None)
        window = window or next((item for item in mine if item.enough(_rows(item))), mine[-1])
        references = (*window.static, *window.past)
        reference = self.reference if self.reference in references else next(iter(references), "")
        baselines = _baselines(snapshot, window)
        baseline = self.baseline if self.baseline in baselines else next(iter(baselines), None)
        segment = self.segment if self.segment in _segments(snapshot, window) else ""
        return Choice(version, window.window, reference, baseline, segment)


@dataclass(frozen=True)
class Frame:
    """The surroundings of the figures.

    ``file``: of the monitor. ``standalone``: a file, without links to other pages. ``trouble``: what the daemon has
    with the model's state, or a gate with the batch, a sentence each. ``verdict``: of a gate; its rows have no times.
    """

    file: str
    standalone: bool = False
    trouble: Sequence[str] = ()
    verdict: str = ""


@dataclass(frozen=True, eq=False)
class View:
    """The figures of one version, window and reference of a model.

    ``start``, ``end``: of the window, Unix seconds. ``features``: the most drifted ones; ``others``: how many more
    there are. ``segment``: whose figures they are, but for versions compared; empty for all traffic. ``scope``: its
    labels. ``withheld``: why it is not compared with the reference.
    """

    version: str
    window: str
    start: float
    end: float
    reference: str
    versions: tuple[str, ...]
    windows: tuple[str, ...]
    references: tuple[str, ...]
    rows: int
    features: Sequence[Distribution]
    others: int
    prediction: Distribution | None
    outcomes: Outcomes | None
    compared: VersionsCompared | None
    baselines: tuple[str, ...]
    segment: str
    segments: tuple[str, ...]
    scope: Mapping[str, str]
    withheld: str | None

    @classmethod
    def of(cls, snapshot: Snapshot, choice: Choice) -> View | None:
        """Return what was chosen among what there is; None where there is no window."""
        chosen = choice.among(snapshot)
        version, reference = chosen.version, chosen.reference
        if version is None or reference is None:
            return None
        mine = _windows_of(snapshot, version)
        traffic = next(item for item in mine if item.window == chosen.window)
        segments = _segments(snapshot, traffic)
        window = segments[chosen.segment] if chosen.segment else traffic
        reason = window.absent.get(reference)
        baselines, baseline = _baselines(snapshot, traffic), chosen.baseline
        views = most_drifted(snapshot, window, reference) if reference else []
        return cls(
            version,
            window.window,
            snapshot.at - window.seconds,
            snapshot.at,
            reference,
            _versions(snapshot),
            tuple(item.window for item in mine),
            (*traffic.static, *traffic.past),
            int(_rows(window)),
            features(window, reference, views[:_MOST_PICTURES]),
            max(0, len(views) - _MOST_PICTURES),
            prediction(window, reference) if reference else None,
            outcomes(window),
            None if baseline is None else VersionsCompared.of(baselines[baseline], traffic),
            tuple(baselines),
            chosen.segment or "",
            ("", *segments) if segments else (),
            {"segment": window.segment, "segment_value": window.segment_value},
            None if reason is None else IN_WORDS[reason],
        )


def _baselines(snapshot: Snapshot, candidate: WindowSummaries) -> dict[str, WindowSummaries]:
    """Return the same window of each version that the candidate can be compared with, the busiest first."""
    if not candidate.enough(_rows(candidate)):
        return {}
    others = {
        item.version: item
        for item in snapshot.windows
        if item.window == candidate.window and item.version != candidate.version and item.enough(_rows(item))
    }
    return {version: others[version] for version in _versions(snapshot) if version in others}


def page(snapshot: Snapshot, frame: Frame, choice: Choice, compared: VersionsCompared | None = None) -> str:
    """Return the page of a model as HTML. ``compared``: instead of what the snapshot says of two versions."""
    view = View.of(snapshot, choice)
    if view is not None and compared is not None:
        view = replace(view, compared=compared)

    def address(**changed: str) -> str:
        chosen = (
            {}
            if view is None
            else {"version": view.version, "window": view.window, "reference": view.reference}
        )
        if view is not None and view.segment:
            chosen["segment"] = view.segment
        if view is not None and view.compared is not None:
            chosen["baseline"] = view.compared.baseline
        # An empty one is chosen as any other: a version without a name.
        return "?" + urlencode(chosen | changed)

    return _template("model.html").render(
        model=snapshot.model,
        frame=frame,
        view=view,
        shown=Shown(snapshot),
        address=address,
        reasons=IN_WORDS,
        cells=cells,
        version=VERSION,
    )


def index(
    models: Iterable[tuple[str, Frame, Snapshot | None]], wrong: str | None = None, now: float | None = None
) -> str:
    """Return the page of all models as HTML: name, frame, and snapshot of the last good cycle, each.

    ``wrong``: with the files on disk, which are not in force.
    """
    shown = [(name, frame, snapshot and Shown(snapshot)) for name, frame, snapshot in models]
    return _template("index.html").render(
        models=shown, wrong=wrong, version=VERSION, now=time.time() if now is None else now
    )


def _versions(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the versions, the busiest first."""
    rows: dict[str, float] = {}
    for item in snapshot.windows:
        rows[item.version] = max(rows.get(item.version, 0.0), _rows(item))
    return tuple(sorted(rows, key=lambda version: (-rows[version], version)))


def _windows_of(snapshot: Snapshot, version: str) -> list[WindowSummaries]:
    """Return the windows of a version, the shortest first."""
    return sorted(
        (item for item in snapshot.windows if item.version == version), key=lambda item: item.seconds
    )


def _segments(snapshot: Snapshot, window: WindowSummaries) -> dict[str, WindowSummaries]:
    """Return the same window of each segment value that has rows enough, by their names."""
    found = [
        item for item in snapshot.segments if (item.version, item.window) == (window.version, window.window)
    ]
    return {item.segment_name: item for item in sorted(found, key=lambda item: item.segment)}


def _rows(window: WindowSummaries) -> float:
    return float(window.traffic["traffic"].rows)


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number,
        ago=ago,
        clock=clock,
        span=length,
        percent=svg.percent,
        path=lambda text: quote(text, safe=""),
    )
    environment.globals.update(histogram=svg.histogram, curve=svg.curve, calibration=svg.calibration)
    return environment.get_template(name)


def length(seconds: float) -> str:
    """Return a length of time as a person says it."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return "less than 1 ms" if 0 < seconds < 0.001 else f"{max(0.0, seconds):.3g} s"


def clock(seconds: float) -> str:
    """Return a point in time (Unix seconds) in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    return f"{length(round(max(0.0, seconds)))} ago"


def number(value: float) -> str:
    """Return a number with as many digits as a person reads."""
    if 0 < abs(value) < 1e-4:
        return "< 0.0001" if value > 0 else "> -0.0001"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}" if abs(value) < 1e9 else f"{value:.3e}"
