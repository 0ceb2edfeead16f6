"""Whatever a log wraps its values in, the figures are those of the same data as plain JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.parse.json_lines import Parser, opens_list
from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

Record = dict[str, Any]

FIELDS: Record = {
    "timestamp": "ts",
    "id": "id",
    "version": "version",
    "status": "status",
    "latency": {"field": "took", "unit": "ms"},
    "score": "score",
    "prediction": "prediction",
    "fallback": "fell",
    "features": ["amount", "country", "opened", "note", "known", "vector"],
}
TYPES = {
    "amount": {"type": "numeric"},
    "country": {"type": "categorical"},
    "opened": {"type": "timestamp"},
    "note": {"type": "text"},
    "known": {"type": "boolean"},
    "vector": {"type": "embedding"},
}
LABEL_FIELDS = {"id": "id", "label": "label", "timestamp": "ts"}


def plain(count: int = 240) -> Iterator[Record]:
    """Records of which some lack a field, or have one that is wrong."""
    rng = np.random.default_rng(5)
    for number in range(count):
        record: Record = {
            "ts": EPOCH + 2.0 * number,
            "id": f"r{number}",
            "version": "v2" if number % 3 else "1.0",
            "status": 500 if number % 17 == 0 else 200,
            "took": round(float(rng.gamma(2.0, 20.0)), 3),
            "score": round(float(rng.beta(2, 3)), 4),
            "prediction": int(rng.integers(2)),
            "fell": number % 11 == 0,
            "shap": {"amount": float(rng.normal()), "known": float(rng.normal())},
            "region": ["north", "south", "3.0", 3][number % 4],
            "amount": float(rng.lognormal()),
            "country": ["DE", "FR", "", "[DE]"][number % 4],
            "opened": f"2025-12-{1 + number % 28:02}T10:00:00Z",
            "note": "[see 1] and some words" if number % 5 else "né",
            "known": bool(number % 2),
            "vector": [1.0, float(number), 0.5],
        }
        odd = rng.choice(["ts", "id", "status", "took", "score", "prediction", "amount", "country", "vector"])
        if number % 9 == 0:
            record[odd] = None
        if number % 9 == 1:
            del record[odd]
        if number % 9 == 2:
            record[odd] = {"text": "x"}
        if number % 9 == 3:
            record[odd] = [0, 1]
        yield record


def labels(count: int = 240) -> Iterator[Record]:
    for number in range(count):
        label: Any = "x" if number % 13 == 0 else int(number % 3 == 0)
        yield {"ts": EPOCH + 2.0 * number + 60, "id": f"r{number}", "label": label}


def content(fields: Record, label_fields: Record, **spec: Any) -> Record:
    """A monitor file over logs of this folder."""
    region = spec.pop("region", "region")
    made = monitor(
        features=spec.pop("features", TYPES),
        segments=[region],
        fairness={"attributes": [region]},
        references={"training": {"static": "reference.json"}},
        **spec,
    )
    made["spec"]["predictions"]["fields"] = fields
    made["spec"]["labels"]["fields"] = label_fields
    return made


def figures(
    folder: Path, records: list[Record], labels: list[Record], content: Record, training: list[Record]
) -> Gauges:
    """All that ``once`` exports, over a reference of ``training``, but what the files themselves tell."""
    folder.mkdir(exist_ok=True)
    write_lines(folder / "logs/predictions.jsonl", records)
    write_lines(folder / "logs/labels.jsonl", labels)
    data = write_lines(folder / "training.jsonl", training)
    path = write_monitor(folder, content)
    exporter("baseline", path, "--data", data, "--out", folder / "reference.json")
    gauges = once(path)
    for name in (
        "ml_sink_lag_bytes",
        "ml_reference_info",
        "ml_reference_created_timestamp_seconds",
        "ml_field_present_ratio",
    ):
        gauges.pop(name, None)
    for name in [name for name in gauges if name.startswith(("ml_exporter_", "ml_monitor_", "python_"))]:
        del gauges[name]
    return gauges


def comparable(gauges: Gauges, region: str = "region") -> dict[str, list[tuple[Any, float]]]:
    """Series in an order, with the name of the segment as plain logs have it."""
    return {
        name: sorted(
            (sorted((key, "region" if text == region else text) for key, text in labels.items()), value)
            for labels, value in series
        )
        for name, series in gauges.items()
    }


def assert_same(found: Gauges, expected: Gauges, region: str = "region") -> None:
    left, right = comparable(found, region), comparable(expected)
    assert left.keys() == right.keys()
    for name, series in right.items():
        assert left[name] == series, name


def assert_close(found: Gauges, expected: Gauges) -> None:
    """As ``assert_same``, but for the last digits."""
    left, right = comparable(found), comparable(expected)
    assert left.keys() == right.keys()
    for name, series in right.items():
        assert [labels for labels, _ in left[name]] == [labels for labels, _ in series], name
        assert [number for _, number in left[name]] == pytest.approx([number for _, number in series]), name


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


def with_labels(records: list[Record]) -> list[Record]:
    """Training data, from which performance can be estimated."""
    return [{**record, "label": number % 2} for number, record in enumerate(records)]


def of_class(record: Record, *, positive: int) -> Record:
    """The probability of the positive class at its position in a list of both."""
    score = record.get("score")
    if not isinstance(score, float):
        return record
    return {**record, "score": [1 - score, score] if positive else [score, 1 - score]}


@pytest.mark.parametrize(
    ("predictions", "positive", "path"),
    [
        ({}, 1, "score"),
        ({"classes": ["0", "1"]}, 1, "score"),
        ({"classes": ["1", "0"]}, 0, "score"),
        ({"classes": ["Yes", "no"]}, 0, "score"),
        ({"positiveClass": "1"}, 1, "score"),
        ({"positiveClass": "1", "classes": ["1", "0"]}, 0, "score"),
        ({}, 1, "out.0.score"),
        ({}, 1, "out.score"),
    ],
)
def test_lists_of_two_probabilities(predictions: Record, positive: int, path: str, tmp_path: Path) -> None:
    """One row of predict_proba, or a list of that one row."""
    flat = [
        {**record, "prediction": None, "score": round(record.get("score") or 0.25, 3)}
        if number % 9 > 3
        else {**record, "prediction": 1}
        for number, record in enumerate(plain())
    ]
    made = content(FIELDS, LABEL_FIELDS)
    made["spec"]["predictions"] |= predictions
    labelled = [label for label in labels() if label["label"] != "x"]
    expected = figures(tmp_path / "flat", flat, labelled, made, with_labels(flat))
    assert expected["ml_model_accuracy"]
    assert expected["ml_model_estimated_accuracy"]
    lists = [of_class(record, positive=positive) for record in flat]
    lists = [
        {**record, "score": [record["score"]]}
        if number % 5 == 0 and isinstance(record.get("score"), list)
        else record
        for number, record in enumerate(lists)
    ]
    if path == "out.0.score":
        lists = [{**record, "out": [{"score": record.get("score")}]} for record in lists]
    if path == "out.score":
        lists = [{**record, "out": {"score": record.get("score")}} for record in lists]
    made = content({**FIELDS, "score": path}, LABEL_FIELDS)
    made["spec"]["predictions"] |= predictions
    found = figures(tmp_path / "lists", lists, labelled, made, with_labels(lists))
    assert_close(found, expected)


@pytest.mark.parametrize("path", ["score", "out.0.score"])
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_lists_of_the_probabilities_of_all_classes(share: float, path: str, tmp_path: Path) -> None:
    """In the order of ``classes``; objects may be among them, and lists that are none."""
    rng = np.random.default_rng(3)
    classes = ["low", "3", "high"]
    flat, lists = [], []
    for number, record in enumerate(plain()):
        probabilities = [round(float(part), 5) for part in rng.dirichlet([2.0, 1.0, 3.0])]
        scores: Any = dict(zip(classes, probabilities, strict=True))
        listed: Any = probabilities
        if number % 10 == 0:
            listed = [probabilities]
        if number % 10 == 1:
            scores, listed = {"low": 0.5, "3": 0.0, "high": 0.0}, [0.5, 0.0, 0.0]
        if number % 20 == 2:
            scores, listed = {"low": "x"}, probabilities[:2]
        if number % 20 == 4:
            scores, listed = None, None
        base = {**record, "prediction": None}
        flat.append({**base, "score": scores})
        lists.append({**base, "score": listed if rng.random() < share else scores})
    truth = [{**label, "label": classes[number % 3]} for number, label in enumerate(labels())]
    made = content(FIELDS, LABEL_FIELDS, task="multiclass")
    made["spec"]["predictions"]["classes"] = classes

    def training(records: list[Record]) -> list[Record]:
        return [{**record, "label": classes[number % 3]} for number, record in enumerate(records)]

    expected = figures(tmp_path / "flat", flat, truth, made, training(flat))
    assert expected["ml_model_accuracy"]
    assert expected["ml_model_estimated_accuracy"]
    if path != "score":
        lists = [{**record, "out": [{"score": record["score"]}]} for record in lists]
        made = content({**FIELDS, "score": path}, LABEL_FIELDS, task="multiclass")
        made["spec"]["predictions"]["classes"] = classes
    found = figures(tmp_path / "lists", lists, truth, made, training(lists))
    assert_close(found, expected)


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
