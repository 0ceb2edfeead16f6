"""Whatever a log wraps its values in, the figures are those of the same data as plain JSON lines."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.parse.json_lines import Parser, opens_list
from tests.support.figures import (
    FIELDS,
    LABEL_FIELDS,
    TYPES,
    Record,
    assert_same,
    content,
    figures,
    labels,
    plain,
)
from tests.support.logs import EPOCH, Gauges, once, value, write_lines, write_monitor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Gauges:
    folder = tmp_path_factory.mktemp("plain")
    records = list(plain())
    gauges = figures(folder, records, list(labels()), content(FIELDS, LABEL_FIELDS), records)
    for name in (
        "ml_feature_psi",
        "ml_model_brier_score",
        "ml_fairness_calibration_error",
    ):
        assert gauges.get(name), sorted(gauges)
    return gauges


def at_positions(record: Record) -> Record:
    """Every value at a position of a list."""
    names = list(TYPES)
    wrapped: Record = {"meta": [None, {}], "outputs": [{"data": []}], "region": {"0": {}}}
    for name in ("ts", "id", "version", "status", "took", "fell"):
        if name in record:
            wrapped["meta"][1][name] = [record[name]]
    if "region" in record:
        wrapped["region"] = [[record["region"], "other"]]
    wrapped["outputs"][0]["data"] = [record.get("score"), record.get("prediction")]
    wrapped["inputs"] = [[[record.get(name)] if name == "vector" else record.get(name) for name in names]]
    return wrapped


POSITIONS: Record = {
    "timestamp": "meta.1.ts.0",
    "id": "meta.1.id.0",
    "version": "meta.1.version.0",
    "status": "meta.1.status.0",
    "latency": {"field": "meta.1.took.0", "unit": "ms"},
    "score": "outputs.0.data.0",
    "prediction": "outputs.0.data.1",
    "fallback": "meta.1.fell.0",
}


def renamed(gauges: Gauges, names: dict[str, str]) -> Gauges:
    """Gauges with other names of features."""
    return {
        name: [
            ({key: names.get(text, text) for key, text in labels.items()}, value) for labels, value in series
        ]
        for name, series in gauges.items()
    }


def test_every_field_at_a_position(tmp_path: Path, expected: Gauges) -> None:
    names = {name: f"inputs.0.{position}" for position, name in enumerate(TYPES)}
    names["vector"] += ".0"
    views = {
        f"{name}.{view}": f"{other}.{view}"
        for name, other in names.items()
        for view in ("length", "characters", "hour", "weekday", "norm")
    }
    fields = {**POSITIONS, "features": list(names.values())}
    types = {names[name]: kind for name, kind in TYPES.items()}
    records = [at_positions(record) for record in plain()]
    wrapped_labels = [{"known": [[label["ts"], label["id"]], [label["label"]]]} for label in labels()]
    label_fields = {"id": "known.0.1", "label": "known.1.0", "timestamp": "known.0.0"}
    made = content(fields, label_fields, features=types, region="region.0.0")
    found = figures(tmp_path, records, wrapped_labels, made, records)
    assert_same(found, renamed(expected, {**names, **views}), "region.0.0")


def test_objects_at_positions(tmp_path: Path) -> None:
    """A position may hold the object of features, and that of attributions; plain paths may go through the same."""
    flat = list(plain())
    objects = [
        {
            **{key: value for key, value in record.items() if key not in TYPES},
            "features": {key: value for key, value in record.items() if key in TYPES},
        }
        for record in flat
    ]
    fields = {**FIELDS, "features": "features", "attributions": "shap"}
    made = content(fields, LABEL_FIELDS)
    expected = figures(tmp_path / "objects", objects, list(labels()), made, objects)
    assert expected["ml_feature_attribution_ndcg"]
    wrapped = [
        {
            "body": {
                **{key: value for key, value in record.items() if key not in ("features", "shap")},
                "rows": [[record["features"], record["shap"]]],
                "0": {"1": record.get("score")},
            }
        }
        for record in objects
    ]
    paths = {
        **{name: f"body.{path}" for name, path in FIELDS.items() if isinstance(path, str)},
        "latency": {"field": "body.took", "unit": "ms"},
        "score": "body.0.1",
        "features": "body.rows.0.0",
        "attributions": "body.rows.0.1",
    }
    made = content(paths, LABEL_FIELDS, region="body.region")
    found = figures(tmp_path / "wrapped", wrapped, list(labels()), made, wrapped)
    assert_same(found, expected, "body.region")


ARRAY = {"path": "instances.0", "names": list(TYPES)}


def in_array(record: Record) -> Record:
    found = {name: value for name, value in record.items() if name not in TYPES}
    return {**found, "instances": [[record.get(name) for name in TYPES]]}


def test_features_in_an_array(tmp_path: Path, expected: Gauges) -> None:
    """The names of its elements are the features'."""
    records = [in_array(record) for record in plain()]
    made = content({**FIELDS, "features": ARRAY}, LABEL_FIELDS)
    assert_same(figures(tmp_path / "typed", records, list(labels()), made, records), expected)
    # A table has the features as columns.
    table = figures(tmp_path / "table", records, list(labels()), made, list(plain()))
    assert_same(table, expected)


def test_types_of_an_array_are_inferred(tmp_path: Path) -> None:
    """Of the lists as of the columns."""
    names = ["amount", "country", "known", "opened"]
    flat = [
        {key: value for key, value in record.items() if not (key in names and isinstance(value, list | dict))}
        for record in plain()
    ]
    made = content({**FIELDS, "features": names}, LABEL_FIELDS, features={})
    expected = figures(tmp_path / "flat", flat, list(labels()), made, flat)
    assert expected["ml_feature_psi"]
    lists = [{**record, "row": [record.get(name) for name in names]} for record in flat]
    made = content({**FIELDS, "features": {"path": "row", "names": names}}, LABEL_FIELDS, features={})
    assert_same(figures(tmp_path / "lists", lists, list(labels()), made, lists), expected)


@pytest.mark.parametrize(
    "odd",
    [
        [1.0, "DE"],
        [1.0, "DE", True, 4],
        [],
        "DE",
        5,
        True,
        {"0": 1.0, "1": "DE", "2": True},
        [[1.0, "DE", True]],
    ],
)
def test_array_of_another_length(odd: Any, tmp_path: Path) -> None:
    """Counted, and its values are nobody's; a record without the list is not counted."""
    names = ["amount", "country", "known"]
    types = {name: TYPES[name] for name in names}
    made = content({**FIELDS, "features": {"path": "row", "names": names}}, LABEL_FIELDS, features=types)
    good = [{**record, "ts": EPOCH, "status": 200, "row": [2.5, "DE", True]} for record in plain(20)]
    for record, row in zip(good, [odd, odd, None], strict=False):
        record["row"] = row
    found = figures(tmp_path, [{**record, "version": "v"} for record in good], [], made, good[3:])
    reason = {"sink": "predictions", "reason": "invalid_features"}
    assert value(found, "ml_sink_rejected_records_total", **reason) == 2
    for name in names:
        assert value(found, "ml_feature_missing_ratio", feature=name) == 3 / 20
    assert value(found, "ml_feature_mean", feature="amount") == 2.5


SINGLE = [
    "amount",
    "country",
    "opened",
    "note",
    "known",
    "ts",
    "id",
    "version",
    "status",
    "took",
    "score",
    "prediction",
    "fell",
    "region",
]


def nested(value: Any, depth: int) -> Any:
    """``value`` in so many lists of one element."""
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("share", [1.0, 0.02])
def test_lists_of_one_element(share: float, tmp_path: Path, expected: Gauges) -> None:
    """Wrapped in lists, or in a few records only: what counts is the element. Lists of several stay what they are."""
    rng = np.random.default_rng(7)

    def wrapped(record: Record, names: list[str]) -> Record:
        found = {}
        for name, single in record.items():
            wraps = name in names and not isinstance(single, list | dict) and rng.random() < share
            found[name] = nested(single, int(rng.integers(1, 5)) if wraps else 0)
        return found

    records = [wrapped(record, SINGLE) for record in plain()]
    wrapped_labels = [wrapped(record, ["ts", "id", "label"]) for record in labels()]
    # Of the wrapped table: types are inferred of lists, too.
    found = figures(tmp_path, records, wrapped_labels, content(FIELDS, LABEL_FIELDS), records)
    assert_same(found, expected)


@pytest.mark.parametrize("key", ["score", "é", 'a"b', "a.b", " "])
@pytest.mark.parametrize("space", ["", " ", "\t "])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_lists_are_found_however_they_are_written(key: str, space: str, ascii_only: bool) -> None:
    written = json.dumps(key, ensure_ascii=ascii_only)
    line = f'{{"other"{space}:{space}[1], {written}{space}:{space}[0.5]}}\n'.encode()
    with closing(Parser(lambda paths: {"value": paths.number(key)})) as parser:
        assert parser.select(line)[0]["value"].tolist() == [0.5]
    assert opens_list(line, [key])
    assert not opens_list(line, [key[1:], key + "x", "x" + key])


@pytest.mark.parametrize("content", [b"", b"[", b"[\n", b'":[', b'e":[', b'ore":["sc', b":[" * 9, b"   ["])
def test_what_is_no_record_opens_no_list(content: bytes) -> None:
    assert not opens_list(content, ["score", "e" * 20])


def test_a_first_time_of_wrapped_records(tmp_path: Path) -> None:
    """Lines are kept for it by their time and version, wherever these are; a segment may be an element's name."""
    references = {"begin": {"first": "2m"}}
    flat = [
        {**record, "version": "v", "note": "a note"}
        for record in plain()
        if isinstance(record.get("ts"), float)
    ]
    made = content(FIELDS, LABEL_FIELDS, region="country")
    made["spec"]["references"] = references
    made["spec"]["predictions"]["fields"] = {**FIELDS, "features": "all"}
    objects = [{**record, "all": {name: record.get(name) for name in TYPES}} for record in flat]
    objects = [{key: value for key, value in record.items() if key not in TYPES} for record in objects]
    expected = started(tmp_path / "flat", objects, made)
    assert expected["ml_feature_psi"]
    wrapped = [{**in_array(record), "ts": [record["ts"]], "meta": [[record["version"]]]} for record in flat]
    made["spec"]["predictions"]["fields"] = {**FIELDS, "version": "meta.0.0", "features": ARRAY}
    assert_same(started(tmp_path / "wrapped", wrapped, made), expected)


def started(folder: Path, records: list[Record], content: Record) -> Gauges:
    write_lines(folder / "logs/predictions.jsonl", records)
    write_lines(folder / "logs/labels.jsonl", labels())
    gauges = once(write_monitor(folder, content))
    return {
        name: series
        for name, series in gauges.items()
        if name.startswith(("ml_feature", "ml_prediction", "ml_model", "ml_gauge", "ml_sink_rej"))
    }
