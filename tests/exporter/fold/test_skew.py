"""Served features joined with offline ones: what pandas says, in whatever order both come; kills in between."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.daemon.models import load_all
from exporter.measure.exposition import Snapshot
from exporter.state import Side, Store
from tests.support.commands import exporter
from tests.support.logs import AT, EPOCH, monitor, once, record, value, write_lines, write_monitor
from tests.support.paths import ROOT
from tests.support.properties import examples

FEATURES = {
    "amount": "numeric",
    "country": "categorical",
    "tier": "categorical",
    "vip": "boolean",
    "note": "text",
    "since": "timestamp",
}
NUMBERS = [0.0, 1.0, 1.0000001, 1.5, -2.25, 1e9, None]
WRITTEN: dict[str, list[Any]] = {
    "amount": NUMBERS,
    "country": ["DE", "FR", "de", None],
    "tier": [1, 1.0, "1", 2, None],
    "vip": [True, False, "true", 0, "yes", None],
    "note": ["a b", "a  b", "", None],
    "since": ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", 1767225600, "2026-01-02T00:00:00Z", None],
}
SAME: dict[str, dict[Any, Any]] = {
    "vip": {True: 1, "true": 1, "yes": 1, False: 0},
    "tier": {1: "1", "1": "1", 2: "2"},
    "since": dict.fromkeys(WRITTEN["since"][:3], 1) | {WRITTEN["since"][3]: 2},
}


def spec(**skew: Any) -> dict[str, Any]:
    return monitor(
        labels=None,
        windows=["2h", "2d"],
        features={name: {"type": kind} for name, kind in FEATURES.items()},
        skew={"sink": {"file": {"path": "logs/offline*.jsonl"}}, "fields": {"id": "id"}, **skew},
    )


def folder_with(folder: Path, **skew: Any) -> Path:
    (folder / "logs").mkdir()
    write_lines(folder / "logs/predictions.jsonl", [])
    write_lines(folder / "logs/offline.jsonl", [])
    return write_monitor(folder, spec(**skew))


def served(number: int, at: float, features: Mapping[str, Any], version: str = "v1") -> dict[str, Any]:
    return record(number, at=at, features=features, version=version)


def drawn(rng: random.Random) -> dict[str, Any]:
    return {name: rng.choice(written) for name, written in WRITTEN.items()}


def expected(predictions: Iterable[Mapping[str, Any]], offline: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Share of joined rows that differ, and of those missing on a side, by version and feature; by pandas' merge."""
    ours = pd.DataFrame(
        [{**row["features"], "id": row["id"], "version": row["version"]} for row in predictions]
    )
    theirs = pd.DataFrame(offline).reindex(columns=[*FEATURES, "id"])
    joined = ours.drop_duplicates("id").merge(
        theirs.drop_duplicates("id"), on="id", suffixes=("", " offline")
    )
    found = []
    for version, rows in joined.groupby("version"):
        for name in FEATURES:
            one, other = (
                rows[column].map(
                    lambda item, name=name: SAME.get(name, {}).get(item, item) if item is not None else None
                )
                for column in (name, f"{name} offline")
            )
            here, there = one.notna(), other.notna()
            if name == "amount":
                equal = np.isclose(one.astype(float), other.astype(float), rtol=1e-6, atol=1e-9)
            else:
                equal = (one == other).to_numpy()
            found.append(
                {
                    "version": version,
                    "feature": name,
                    "rows": len(rows),
                    "ratio": float((np.where(here & there, ~equal, here != there)).mean()),
                    "served": float((~here & there).mean()),
                    "offline": float((here & ~there).mean()),
                }
            )
    return pd.DataFrame(found)


def test_every_ratio_is_that_of_pandas(tmp_path: Path) -> None:
    rng = random.Random(7)
    path = folder_with(tmp_path)
    predictions = [
        served(number, rng.uniform(0, 3599), drawn(rng), rng.choice(["v1", "v2"])) for number in range(800)
    ]
    offline = []
    for number in rng.sample(range(1000), 700):
        known = predictions[number]["features"] if number < 800 else drawn(rng)
        row = {
            name: item if rng.random() < 0.6 else rng.choice(WRITTEN[name]) for name, item in known.items()
        }
        offline.append(
            {"id": f"r{number}", **{name: item for name, item in row.items() if rng.random() < 0.9}}
        )
    write_lines(tmp_path / "logs/predictions.jsonl", predictions + predictions[:50])
    write_lines(tmp_path / "logs/offline.jsonl", offline + offline[:20])
    gauges = once(path)
    for _, row in expected(predictions, offline).iterrows():
        of = {"version": row.version, "window": "2h"}
        assert value(gauges, "ml_feature_skew_ratio", **of, feature=row.feature, segment_value="") is None
        found = {
            tuple(sorted(labels.items())): number
            for name in ("ml_feature_skew_ratio", "ml_feature_skew_missing_ratio")
            for labels, number in gauges[name]
        }
        key = {"model": "m", "feature": row.feature, **of}
        assert found[tuple(sorted(key.items()))] == pytest.approx(row.ratio, abs=1e-12), row
        for side in ("served", "offline"):
            assert found[tuple(sorted({**key, "side": side}.items()))] == pytest.approx(row[side], abs=1e-12)
        assert {"model": "m", **of} in [labels for labels, _ in gauges["ml_skew_joined_rows"]]
    joined = {
        labels["version"]: number
        for labels, number in gauges["ml_skew_joined_rows"]
        if labels["window"] == "2h"
    }
    assert joined == expected(predictions, offline).groupby("version")["rows"].first().to_dict()
    rejected = {
        labels["reason"]: number
        for labels, number in gauges["ml_sink_rejected_records_total"]
        if labels["sink"] == "skew"
    }
    assert rejected["duplicate"] == 20


def figures(snapshot: Snapshot | None) -> dict[tuple[str, ...], float]:
    assert snapshot is not None
    names = ("ml_feature_skew_ratio", "ml_feature_skew_missing_ratio", "ml_skew_joined_rows")
    return {
        (name, *labels): number for name in names for labels, number in snapshot.series.get(name, {}).items()
    }


PLANS = st.lists(
    st.tuples(st.sampled_from(["served", "offline", "restart"]), st.integers(0, 14), st.integers(0, 2)),
    max_size=16,
)


@given(PLANS)
@settings(max_examples=examples(4), deadline=None)
@pytest.mark.slow
def test_whatever_comes_first_and_again_counts_once(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[str, int, int]]
) -> None:
    """Each id's first row of each side counts, over restarts, as if all had been there at once."""
    folder = tmp_path_factory.mktemp("skew")
    path = folder_with(folder)
    model = load_all([path])[0]
    predictions: list[dict[str, Any]] = []
    offline: list[dict[str, Any]] = []
    cycle = model.open(folder / "state")
    try:
        found = None
        for step, number, variant in plan:
            if step == "restart":
                cycle.close()
                cycle = model.open(folder / "state")
            elif step == "served":
                item = served(number, number, {"amount": float(variant), "country": "DE"})
                predictions.append(item)
                write_lines(folder / "logs/predictions.jsonl", [item])
            else:
                row = {"id": f"r{number}", "amount": 1.0, "country": ["DE", "FR", None][variant]}
                offline.append(row)
                write_lines(folder / "logs/offline.jsonl", [row])
            found = cycle.run(at=EPOCH + 3600, final=True)
    finally:
        cycle.close()
    if found is None:
        return
    with closing(model.open(None)) as whole:
        assert figures(found) == figures(whole.run(at=EPOCH + 3600, final=True))


def test_offline_rows_of_the_day_after_count_for_the_time_of_the_prediction(tmp_path: Path) -> None:
    """Rows come after 20 hours: the short window never has them, the long one does, and maxDelay ends the wait."""
    path = folder_with(tmp_path, maxDelay="1d")
    model = load_all([path])[0]
    write_lines(
        tmp_path / "logs/predictions.jsonl", [served(number, 0, {"amount": 1.0}) for number in range(10)]
    )
    with closing(model.open(tmp_path / "state")) as cycle:
        cycle.run(at=EPOCH + 60)
    late = [{"id": f"r{number}", "amount": 1.0 + number // 4} for number in range(8)]
    write_lines(tmp_path / "logs/offline.jsonl", [*late, {"id": "other", "amount": 2}])
    with closing(model.open(tmp_path / "state")) as cycle:
        found = figures(cycle.run(at=EPOCH + 72_000))
        assert found["ml_skew_joined_rows", "m", "v1", "2d"] == 8
        assert found["ml_feature_skew_ratio", "m", "v1", "2d", "amount"] == 0.5
        assert found["ml_skew_joined_rows", "m", "v1", "2h"] == 0
        assert ("ml_feature_skew_ratio", "m", "v1", "2h", "amount") not in found
    with closing(model.open(tmp_path / "state")) as cycle:
        snapshot = cycle.run(at=EPOCH + 72_000 + 86_460)
        assert snapshot is not None
        assert snapshot.series["ml_skew_unmatched_total"] == {("m", "served"): 2, ("m", "offline"): 1}
        assert snapshot.series["ml_skew_pending"] == {("m", "served"): 0, ("m", "offline"): 0}


def test_too_few_joined_rows_are_withheld_and_counted(tmp_path: Path) -> None:
    content = spec()
    content["spec"]["minSamples"] = 5
    (tmp_path / "logs").mkdir()
    path = write_monitor(tmp_path, content)
    write_lines(
        tmp_path / "logs/predictions.jsonl", [served(number, 0, {"amount": 1.0}) for number in range(10)]
    )
    write_lines(tmp_path / "logs/offline.jsonl", [{"id": f"r{number}", "amount": 1.0} for number in range(4)])
    gauges = once(path)
    assert "ml_feature_skew_ratio" not in gauges
    withheld = [
        number
        for labels, number in gauges["ml_gauge_withheld"]
        if labels["gauge"] == "ml_feature_skew_ratio" and labels["window"] == "2h"
    ]
    assert withheld == [len(FEATURES)]
    assert [number for labels, number in gauges["ml_skew_joined_rows"] if labels["window"] == "2h"] == [4]


def test_a_feature_that_is_compared_from_now_on_has_the_rows_since(tmp_path: Path) -> None:
    """What waited without it says nothing of it, and is not lost for the others."""
    path = folder_with(tmp_path, features=["amount"])
    rows = [{"id": f"r{number}", "amount": 1.0, "country": "FR"} for number in range(6)]
    write_lines(tmp_path / "logs/offline.jsonl", rows)
    with closing(load_all([path])[0].open(tmp_path / "state")) as cycle:
        cycle.run(at=EPOCH + 60)
    write_monitor(tmp_path, spec(features=["country", "amount"]))
    predictions = [served(number, 0, {"amount": 2.0, "country": "DE"}) for number in range(8)]
    write_lines(tmp_path / "logs/predictions.jsonl", predictions)
    write_lines(tmp_path / "logs/offline.jsonl", [{"id": "r7", "amount": 2.0, "country": "DE"}])
    with closing(load_all([path])[0].open(tmp_path / "state")) as cycle:
        found = figures(cycle.run(at=EPOCH + 120))
    assert found["ml_feature_skew_ratio", "m", "v1", "2h", "amount"] == pytest.approx(6 / 7)
    assert found["ml_feature_skew_ratio", "m", "v1", "2h", "country"] == 0


@pytest.mark.parametrize(
    ("fields", "rows"),
    [
        ({"id": "key", "features": "row"}, {"key": "r1", "row": {"amount": 2, "country": "DE"}}),
        ({"id": "key", "features": ["amount", "country"]}, {"key": "r1", "amount": 2, "country": "DE"}),
        (
            {"id": "key", "features": {"path": "row", "names": ["country", "amount"]}},
            {"key": "r1", "row": ["DE", 2]},
        ),
        (
            {"id": "key", "features": {"amount": "view__amount", "country": "a.c | view__country"}},
            {"key": "r1", "view__amount": 2, "view__country": "DE"},
        ),
        ({"id": "key"}, {"key": "r1", "amount": 2, "country": "DE"}),
    ],
)
def test_offline_features_are_where_the_file_says(
    fields: dict[str, Any], rows: dict[str, Any], tmp_path: Path
) -> None:
    path = folder_with(tmp_path, fields=fields, features=["amount", "country"])
    write_lines(tmp_path / "logs/predictions.jsonl", [served(1, 0, {"amount": 1.0, "country": "DE"})])
    write_lines(tmp_path / "logs/offline.jsonl", [rows])
    found = {
        labels["feature"]: number
        for labels, number in once(path)["ml_feature_skew_ratio"]
        if labels["window"] == "2h"
    }
    assert found == {"amount": 1, "country": 0}


def test_where_chooses_offline_rows(tmp_path: Path) -> None:
    path = folder_with(tmp_path, fields={"id": "id", "features": "row"}, where={"split": "serving"})
    write_lines(tmp_path / "logs/predictions.jsonl", [served(1, 0, {"amount": 1.0})])
    rows = [
        {"id": "r1", "split": split, "row": {"amount": amount}}
        for split, amount in (("x", 5), ("serving", 1))
    ]
    write_lines(tmp_path / "logs/offline.jsonl", rows)
    gauges = once(path)
    assert {
        number for labels, number in gauges["ml_feature_skew_ratio"] if labels["feature"] == "amount"
    } == {0}


def test_as_of_leaves_out_what_came_later(tmp_path: Path) -> None:
    path = folder_with(tmp_path, fields={"id": "id", "timestamp": "at"})
    write_lines(
        tmp_path / "logs/predictions.jsonl", [served(number, 0, {"amount": 1.0}) for number in range(4)]
    )
    rows = [{"id": f"r{number}", "at": EPOCH + 1800 * number, "amount": 1.0} for number in range(4)]
    write_lines(tmp_path / "logs/offline.jsonl", rows)
    joined = [
        next(n for labels, n in once(path, *when, at=None)["ml_skew_joined_rows"] if labels["window"] == "2h")
        for when in (("--as-of", AT), ("--at", AT))
    ]
    assert joined == [3, 4]


def test_ages_are_those_of_numpy_and_later_ones_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    content = monitor(labels=None, featureTimestamps={"profile": "made.profile", "live": "made.live"})
    path = write_monitor(tmp_path, content)
    ages = rng.lognormal(8, 1, 1000)
    times = rng.uniform(0, 3599, 1000)
    rows = [
        record(
            number,
            at=float(at),
            made={"profile": EPOCH + at - age, "live": EPOCH + at + (5 if number % 4 == 0 else -1)},
        )
        for number, (at, age) in enumerate(zip(times.tolist(), ages.tolist(), strict=True))
    ]
    del rows[0]["made"]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    gauges = once(path)
    found = {
        labels["quantile"]: number
        for labels, number in gauges["ml_feature_age_seconds"]
        if labels["feature"] == "profile"
    }
    for quantile, number in found.items():
        exact = np.quantile(ages[1:], float(quantile), method="inverted_cdf")
        assert number == pytest.approx(exact, rel=0.0101)
    later = {labels["feature"]: number for labels, number in gauges["ml_feature_age_negative_ratio"]}
    assert later == {"profile": 0, "live": pytest.approx(249 / 999)}
    there = {labels["field"]: number for labels, number in gauges["ml_field_present_ratio"]}
    assert there["featureTimestamps.profile"] == pytest.approx(0.999)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"fields": {"id": "id", "features": ["amount"]}, "features": ["amuont"]},
            "'amuont' is none of skew.fields",
        ),
        ({"features": ["vector"]}, "'vector' is an embedding; expected a single value"),
        ({"features": ["amount", "amount"]}, "'amount' is listed twice"),
        ({"where": {"a": 1}}, "where, '*' and ' | ' need fields.features"),
        ({"tolerance": {"relative": -1}}, "expected greater than or equal to 0, got -1"),
        ({"maxPending": 5}, "expected greater than or equal to 1000, got 5"),
    ],
)
def test_mistakes_are_told(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    content = spec(**changes)
    content["spec"]["features"]["vector"] = {"type": "embedding"}
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_feature_of_a_mapping_is_refused(tmp_path: Path) -> None:
    content = spec(fields={"id": "id", "features": {"amuont": "a", "country": "c"}})
    content["spec"]["predictions"]["fields"]["features"] = ["amount", "country"]
    content["spec"]["features"] = {}
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert done.returncode == 2
    assert (
        "'amuont' is none of predictions.fields.features, expected one of amount, country; did you mean 'amount'?"
        in done.stderr
    )


def test_check_compares_the_first_records(tmp_path: Path) -> None:
    path = folder_with(tmp_path, features=["amount", "country"])
    rows = [served(number, 0, {"amount": 1.0, "country": "DE"}) for number in range(4)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    write_lines(
        tmp_path / "logs/offline.jsonl", [{"id": f"r{number}", "amount": 1 + number} for number in range(4)]
    )
    done = exporter("check", path, check=False)
    assert (
        "compared: 4 of the ids looked at are in both logs; features that differ: country 100.0%, amount 75.0%"
        in done.stdout
    )
    assert "warning: feature 'country': nothing at 'country'" in done.stdout
    (tmp_path / "logs/offline.jsonl").write_text("")
    write_lines(tmp_path / "logs/offline.jsonl", [{"id": f"x{number}", "amount": 1} for number in range(4)])
    done = exporter("check", path, check=False)
    assert done.returncode == 1
    assert (
        'no offline row looked at has the id of a prediction looked at: offline rows have "x0" at'
        in done.stdout
    )


def test_a_replay_says_that_it_leaves_skew_out(tmp_path: Path) -> None:
    path = folder_with(tmp_path)
    write_lines(tmp_path / "logs/predictions.jsonl", [served(1, 0, {"amount": 1.0})])
    done = exporter("replay", path, "--step", "10m", "--out", tmp_path / "history")
    assert "model m: offline features are not replayed; metrics of skew are left out" in done.stderr
    text = "".join(file.read_text() for file in (tmp_path / "history/openmetrics").iterdir())
    assert "ml_predictions_total" in text
    assert "skew" not in text


KILLS = 2
CYCLES = """
import sys
from pathlib import Path
from exporter.daemon.models import load_all
cycle = load_all([Path(sys.argv[1])])[0].open(Path(sys.argv[2]))
cycle.run()
print("begun", flush=True)
while True:
    cycle.run()
"""


@pytest.mark.slow
def test_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """Both logs grow while the exporter is killed, again and again; then all of it is as if read in one go."""
    kills(tmp_path, KILLS, random.Random(11))


def kills(folder: Path, number: int, rng: random.Random) -> None:
    """Kill ``number`` exporters between any two instructions. Raises AssertionError where a count is off."""
    path = folder_with(folder)
    program = [sys.executable, "-c", CYCLES, str(path), str(folder / "state")]
    identity = 0
    waiting: list[dict[str, Any]] = []
    now = time.time()
    for _ in range(number):
        process = subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            until = time.monotonic() + rng.uniform(0.1, 0.8)
            while time.monotonic() < until:
                predictions: list[dict[str, Any]] = []
                offline: list[dict[str, Any]] = []
                for _ in range(rng.randrange(40)):
                    item = {"amount": float(rng.randrange(3)), "country": rng.choice(["DE", "FR"])}
                    other = {"id": f"r{identity}", "amount": float(rng.randrange(3)), "country": "DE"}
                    row = {**record(identity, at=0, features=item), "ts": now - 60}
                    identity += 1
                    predictions.append(row)
                    (offline if rng.random() < 0.5 else waiting).append(other)
                rng.shuffle(waiting)
                offline += [waiting.pop() for _ in range(len(waiting) // 2)]
                # Half of the time the offline rows come first.
                logs = [("offline", offline), ("predictions", predictions)]
                for name, rows in logs if rng.random() < 0.5 else logs[::-1]:
                    write_lines(folder / f"logs/{name}.jsonl", rows)
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    write_lines(folder / "logs/offline.jsonl", waiting)
    model = load_all([path])[0]
    with closing(Store(model.state_file(folder / "state"))) as store:
        # The killed ones have read most of it, and joined much of that.
        assert store.counters.totals("ml_sink_records_total")["predictions",] > identity / 2
        assert store.skew.waiting(Side.SERVED) < identity * 0.8
    end = time.time() + 1
    with closing(model.open(folder / "state")) as cycle:
        found = cycle.run(at=end, final=True)
    with closing(model.open(None)) as cycle:
        whole = cycle.run(at=end, final=True)
    assert figures(found) == figures(whole)
    assert figures(found)["ml_skew_joined_rows", "m", "v1", "2h"] == identity
    lines = (folder / "logs/predictions.jsonl").read_text().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == identity
