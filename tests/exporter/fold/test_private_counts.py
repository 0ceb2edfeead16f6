"""Private counts: what one record changes, and what is ever released."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from exporter.daemon.cycle import Cycle
from exporter.daemon.models import Model
from exporter.features.binning import CategoricalBinning, NumericBinning
from exporter.fold.private_cells import PrivateCells
from exporter.fold.private_counts import Laplace
from exporter.fold.version_schemas import VersionSchemas
from exporter.state import Store
from exporter.state.releases import Releases
from exporter.state.sent import Asked
from exporter.summary.base import Integers
from exporter.tasks import task_of
from mlslo.yamlfile import InputError
from tests.support import segmented
from tests.support.commands import exporter
from tests.support.fleet import Pod
from tests.support.logs import EPOCH, monitor, write_lines
from tests.support.properties import examples

DAY = 86_400
MONITOR = monitor(
    windows=["3d"],
    references={"training": {"static": "reference.json"}},
    privacy={"epsilon": 1.0},
    segments=["features.country"],
)
BEGIN = EPOCH - DAY + 10
"""When the exporter is started: its first period begins at ``EPOCH``, and is released an hour after its end."""
RELEASED = EPOCH + DAY + 3600
CLOCK: Any = SimpleNamespace(time=lambda: CLOCK.now, monotonic=lambda: CLOCK.now)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    segmented.build_reference(folder, MONITOR)
    return folder / "reference.json"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.daemon.cycle.time", CLOCK)


def run(pod: Pod, at: float) -> Cycle:
    CLOCK.now = at
    pod.run()
    assert pod.cycle is not None
    return pod.cycle


def cells_of(model: Model) -> PrivateCells:
    task = task_of(model.monitor.spec, model.references)
    return PrivateCells.of(VersionSchemas(model.monitor, task, model.references).of(""), graded=True)


def counted(cycle: Cycle) -> dict[int, Integers]:
    """Exact counts by start of period, which are not released."""
    rows = cycle._store.connection.execute("SELECT start, counts FROM private_counts")
    return {start: np.frombuffer(counts, dtype=np.int64) for start, counts in rows}


def content(cycle: Cycle, asked: Asked = Asked()) -> dict[float, list[float]]:  # noqa: B008
    """Start of each released period that is sent with its counts, in seconds."""
    page = cycle.page(asked).portable
    return {key.start / 1e6: numbers.tolist() for key, (_, numbers) in page.buckets.items()}


ODD: list[dict[str, Any]] = [
    {"features": {"amount": "x", "country": "nowhere", "member": 7, "tier": [1]}},
    {"features": {"amount": 1e300, "country": None}},
    {"features": None, "status": 503, "score": None, "prediction": None},
    {"version": "another", "score": 0.5},
    {"version": None, "latency_ms": -1},
    {"score": 7.0, "prediction": "odd"},
    {"status": 404, "score": "NaN"},
    {"ts": "2026-01-10T13:00:00Z", "status": "503", "prediction": "1"},
    {"ts": (EPOCH + DAY / 2 + 5) * 1000, "features": "{"},
    {"ts": None, "score": 10**400},
    {"features": {"amount": "1e3", "country": "\ud800", "gender": ["f"]}},
]


def other_delivery(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same delivery as ``record``, with other features: the exact gauges count the one that is read first."""
    return {
        **record,
        "features": {"amount": 1e6, "country": "new", "member": not record["features"]["member"]},
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(examples(len(ODD) + 1)))
def test_one_record_changes_the_counts_by_the_bound_at_most(
    seed: int, tmp_path: Path, reference: Path
) -> None:
    """Also one with the id of another, of a 51st version, or first in the log; over all periods together."""
    rng = np.random.default_rng(seed)
    records = segmented.predictions(60, seed, start=0.5 * DAY, end=DAY + 3000)
    for item in records:
        item["version"] = f"v{rng.integers(60)}"
    (record,) = segmented.predictions(1, seed + 100, start=0.5 * DAY, end=DAY + 3000)
    record |= ODD[seed % len(ODD)] if seed < len(ODD) else other_delivery(records[30])
    place = int(rng.integers(30))
    found = []
    for name, log in (("without", records), ("with", [*records[:place], record, *records[place:]])):
        pod = Pod(tmp_path / name, MONITOR, reference)
        run(pod, BEGIN)
        pod.log(log)
        found.append(counted(run(pod, RELEASED - 1)))
        cells = cells_of(pod.model)
        pod.stop()
    nothing = np.zeros(len(cells.places), dtype=np.int64)
    starts = found[0].keys() | found[1].keys()
    changed = sum(int(np.abs(found[1].get(s, nothing) - found[0].get(s, nothing)).sum()) for s in starts)
    assert changed <= cells.l1
    # Without a time, or no JSON at all, it changes nothing.
    assert changed or seed in (9, 10)


@pytest.mark.slow
def test_counts_are_those_of_the_log(tmp_path: Path, reference: Path) -> None:
    """Without noise: rows of the period, whatever their version; every summary's cells add up to them."""
    pod = Pod(tmp_path, MONITOR, reference)
    run(pod, BEGIN)
    pod.log([{**item, "version": f"v{place % 3}"} for place, item in enumerate(segmented.predictions(90))])
    (counts,) = counted(run(pod, EPOCH + 4000)).values()
    cells = cells_of(pod.model)
    pod.stop()
    # Rows, graded, errors; the score; two classes; five features. One number each in every summary.
    assert cells.l1 == 3 + 1 + 1 + 5
    assert counts[0] == 90
    assert counts.sum() == 90 * (cells.l1 - 1) + counts[2]


@pytest.mark.slow
def test_shares_and_sums_stay(tmp_path: Path) -> None:
    """Of texts, vectors and times: one record may be in many cells of a mix, a vocabulary or a sum."""
    rows = [
        {
            **item,
            "features": {
                **item["features"],
                "comment": f"some Words {place}, and 12 figures",
                "vector": [0.1, place / 90, 0.3],
                "seen": EPOCH + 100 * place,
            },
        }
        for place, item in enumerate(segmented.predictions(90))
    ]
    spec = monitor(
        windows=["3d"],
        references={"training": {"static": "reference.json"}},
        privacy={"epsilon": 1.0},
        features={
            "comment": {"type": "text"},
            "vector": {"type": "embedding"},
            "seen": {"type": "timestamp"},
        },
    )
    pod = Pod(tmp_path, spec, None)
    data = write_lines(tmp_path / "training.jsonl", rows)
    exporter("baseline", tmp_path / "monitor.yaml", "--data", data, "--out", tmp_path / "reference.json")
    run(pod, BEGIN)
    pod.log(rows)
    (counts,) = counted(run(pod, EPOCH + 4000)).values()
    cells, model = cells_of(pod.model), pod.model
    pod.stop()
    schema = VersionSchemas(
        model.monitor, task_of(model.monitor.spec, model.references), model.references
    ).of("")
    scalar = [
        view
        for view, binning in schema.binnings.items()
        if type(binning) in (NumericBinning, CategoricalBinning)
    ]
    assert len(scalar) < len(schema.binnings)
    assert cells.l1 <= 3 + 1 + 1 + len(scalar)
    assert counts.sum() == 90 * (cells.l1 - 1) + counts[2]


@pytest.mark.slow
def test_each_period_is_released_once(tmp_path: Path, reference: Path) -> None:
    """Questions, restarts, late records and another aggregator see the same numbers; nothing is sent before."""
    pod = Pod(tmp_path, MONITOR, reference)
    run(pod, BEGIN)
    early, rows = segmented.predictions(50, 1, start=-DAY / 2, end=-1), segmented.predictions(100)
    pod.log([*early, *rows])
    empty = run(pod, RELEASED - 1).page(Asked())
    assert not empty.portable.buckets
    assert not empty.portable.versions
    cycle = run(pod, RELEASED)
    released = content(cycle)
    assert list(released) == [EPOCH]
    assert released[EPOCH] == content(cycle)[EPOCH]
    assert not counted(cycle)
    pod.log(segmented.predictions(100, 3))
    assert content(run(pod, RELEASED + 60)) == released
    assert not counted(cycle)
    pod.stop()
    cycle = run(pod, RELEASED + 120)
    assert content(cycle) == released
    cursor = cycle.page(Asked()).envelope.cursor
    assert not content(cycle, Asked(cursor))
    assert {key.start for key in cycle.page(Asked(cursor)).portable.unchanged} == {EPOCH * 1e6}
    # A time that is asked for releases nothing.
    cycle.run(at=RELEASED + 3 * DAY)
    assert content(cycle) == released
    # A day without records is released too: that there were none is not told. A clock is trusted after an hour.
    run(pod, RELEASED + DAY)
    later = content(run(pod, RELEASED + DAY + 3601), Asked(cursor))
    assert list(later) == [EPOCH + DAY]
    assert any(later[EPOCH + DAY])
    pod.stop()


@pytest.mark.slow
def test_a_lost_state_releases_no_period_again(tmp_path: Path, reference: Path) -> None:
    pod = Pod(tmp_path, MONITOR, reference)
    run(pod, BEGIN)
    pod.log(segmented.predictions(100))
    run(pod, RELEASED)
    pod.stop()
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    with closing(pod.model.open(tmp_path / "state")) as cycle:
        cycle.run(at=BEGIN)
    run(pod, RELEASED)
    assert not counted(run(pod, RELEASED + 60))
    assert min(content(run(pod, RELEASED + 3 * DAY))) == EPOCH + 2 * DAY
    pod.stop()


@pytest.mark.slow
def test_nothing_but_releases_is_sent(tmp_path: Path, reference: Path) -> None:
    """Neither names of versions and segment values, nor counters, nor times of records."""
    pod = Pod(tmp_path, MONITOR, reference)
    run(pod, BEGIN)
    pod.log([{**item, "version": "secret"} for item in segmented.predictions(300)])
    envelope, portable = run(pod, RELEASED).page(Asked())
    pod.stop()
    assert "secret" not in json.dumps([envelope.model_dump(), list(portable.versions)])
    assert portable.versions == {"all": (EPOCH * 1e6, (EPOCH + DAY) * 1e6)}
    assert {(key.kind, key.version, key.segment, key.value) for key in portable.buckets} == {
        ("traffic", "all", "", "")
    }
    assert not any((portable.counters, portable.marks, portable.sizes, portable.dropped, portable.waiting))
    places, numbers = next(iter(portable.buckets.values()))
    assert set(places.tolist()) == set(cells_of(pod.model).places.tolist())
    assert numbers.tolist() == np.rint(numbers).tolist()


def test_noise_is_certified() -> None:
    """By OpenDP itself, also where l1 / epsilon is rounded."""
    for l1 in (1, 3, 7, 23):
        for epsilon in (0.1, 0.3, 0.7, 1.0, 10.0):
            noise = Laplace(4, l1, epsilon)
            assert 0 < noise._measurement.map(l1) <= epsilon
            assert noise.scale == pytest.approx(l1 / epsilon)


def interrupted(store: Store, releases: Releases) -> None:
    with store.transaction():
        releases.release(10, 2, lambda counts: counts + 1)
        raise KeyboardInterrupt


def test_a_transaction_that_fails_has_released_nothing() -> None:
    with closing(Store()) as store:
        releases = Releases(store.connection)
        with store.transaction():
            releases.begin("d", lambda time: time, 0)
            releases.add(0, np.array([5, 7]))
        with pytest.raises(KeyboardInterrupt):
            interrupted(store, releases)
        assert (releases.until, releases.all()) == (0, {})
        with store.transaction():
            releases.release(10, 2, lambda counts: counts)
        assert releases.all()[0].tolist() == [5, 7]
        with store.transaction(), pytest.raises(ValueError, match="released"):
            releases.add(0, np.array([1, 1]))
        # Other settings begin with a period that nothing was released of.
        with store.transaction():
            releases.begin("other", lambda time: -(-time // 7) * 7, 3)
        assert (releases.until, releases.all()) == (14, {})


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opendp.prelude", None)
    pod = Pod(tmp_path, monitor(windows=["3d"], privacy={"epsilon": 1.0}), None)
    with pytest.raises(InputError, match=r"monitor\.yaml:\d+:\d+: .*'privacy' needs the extra 'privacy'"):
        pod.run()
