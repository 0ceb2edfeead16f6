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
from exporter.pages.distributions import Distribution, features, prediction
from exporter.pages.outcomes import Outcomes, outcomes
from exporter.pages.tables import Shown
from exporter.pages.withheld import IN_WORDS
from mlslo.version import VERSION

_MOST_PICTURES = 120


@dataclass(frozen=True)
class Choice:
    """What a person wants to see; what there is not gives way to what there is."""

    version: str | None = None
    window: str | None = None
    reference: str | None = None
    baseline: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Choice:
        """Return the choice that the query of an address makes."""
        return cls(*(query.get(name, [None])[0] for name in ("version", "window", "reference", "baseline")))


@dataclass(frozen=True)
class Frame:
    """What is around the figures.

    ``file``: of the monitor. ``standalone``: a file, without links to other pages. ``trouble``: what the daemon has
    with the model's state, a sentence each.
    """

    file: str
    standalone: bool = False
    trouble: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class View:
    """The figures of one version, window and reference of a model."""

    version: str
    window: str
    reference: str
    versions: tuple[str, ...]
    windows: tuple[str, ...]
    references: tuple[str, ...]
    rows: int
    features: Sequence[Distribution]
    prediction: Distribution | None
    outcomes: Outcomes | None
    compared: VersionsCompared | None
    baselines: tuple[str, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, choice: Choice) -> View | None:
        """Return what was chosen, or else the busiest version and the shortest window that has rows enough."""
        if not snapshot.windows:
            return None
        busiest: dict[str, float] = {}
        for item in snapshot.windows:
            busiest[item.version] = max(busiest.get(item.version, 0.0), _rows(item))
        versions = tuple(sorted(busiest, key=lambda version: (-busiest[version], version)))
        version = choice.version if choice.version in busiest else versions[0]
        mine = sorted(
            (item for item in snapshot.windows if item.version == version), key=lambda item: item.seconds
        )
        window = next((item for item in mine if item.window == choice.window), None)
        window = window or next((item for item in mine if item.enough(_rows(item))), mine[-1])
        references = (*window.static, *window.past)
        reference = choice.reference if choice.reference in references else next(iter(references), "")
        return cls(
            version,
            window.window,
            reference,
            versions,
            tuple(item.window for item in mine),
            references,
            int(_rows(window)),
            features(window, reference) if reference else (),
            prediction(window, reference) if reference else None,
            outcomes(window),
            *_compared(snapshot, window, choice, versions),
        )


def _compared(
    snapshot: Snapshot, candidate: WindowSummaries, choice: Choice, versions: Sequence[str]
) -> tuple[VersionsCompared | None, tuple[str, ...]]:
    """Return the version compared with another of the same window, and the others that it could be compared with."""
    others = {
        item.version: item
        for item in snapshot.windows
        if item.window == candidate.window and item.version != candidate.version and item.enough(_rows(item))
    }
    baselines = tuple(version for version in versions if version in others)
    if not baselines or not candidate.enough(_rows(candidate)):
        return None, ()
    chosen = choice.baseline if choice.baseline in others else baselines[0]
    return VersionsCompared.of(others[chosen], candidate), baselines


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
        if view is not None and view.compared is not None:
            chosen["baseline"] = view.compared.baseline
        chosen |= changed
        return "?" + urlencode({name: value for name, value in chosen.items() if value})

    return _template("model.html").render(
        model=snapshot.model,
        frame=frame,
        view=view,
        shown=Shown(snapshot),
        address=address,
        most=_MOST_PICTURES,
        reasons=IN_WORDS,
        cells=cells,
        version=VERSION,
    )


def index(models: Iterable[tuple[str, Frame, Snapshot | None]], now: float | None = None) -> str:
    """Return the page of all models as HTML: name, frame, and snapshot of the last good cycle, each."""
    shown = [(name, frame, snapshot and Shown(snapshot)) for name, frame, snapshot in models]
    return _template("index.html").render(
        models=shown, version=VERSION, now=time.time() if now is None else now
    )


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
    return f"{max(0.0, seconds):.3g} s"


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
