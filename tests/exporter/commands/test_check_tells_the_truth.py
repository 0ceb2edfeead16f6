"""`check` on a mapping that would make a blind monitor: what is there, what was meant, exit code 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, write_lines, write_monitor

pytestmark = pytest.mark.slow

ROWS = 300
DECLARED = {"amount": {"type": "numeric"}, "age": {"type": "numeric"}}
FIELDS: Mapping[str, Any] = {
    "timestamp": "time",
    "id": "request.id",
    "version": "model.version",
    "score": "data.outputs.score",
    "features": "data.inputs",
}
LABEL_FIELDS = {"id": "id", "label": "label", "timestamp": "time"}

Change = Callable[[dict[str, Any]], object]


def logged(number: int) -> dict[str, Any]:
    return {
        "time": EPOCH + number,
        "request": {"id": f"r{number}", "customer": f"c{number}"},
        "model": {"version": "1.0"},
        "data": {
            "inputs": {"amount": number / 7, "age": 20 + number % 50},
            "outputs": {"score": number / ROWS, "predicted_class": number % 2},
        },
    }


def check(
    folder: Path,
    fields: Mapping[str, Any],
    change: Change = dict.copy,
    *,
    labels: bool = False,
    declared: Mapping[str, Any] = DECLARED,
    **label_fields: str,
) -> tuple[int, list[str], list[str]]:
    """Exit code, warnings and all lines of `check` where ``fields`` are mapped, and records are changed."""
    content = monitor(features=dict(declared), **({} if labels else {"labels": None}))
    content["spec"]["predictions"]["fields"] = {
        k: v for k, v in {**FIELDS, **fields}.items() if v is not None
    }
    if labels:
        content["spec"]["labels"]["fields"] = {**LABEL_FIELDS, **label_fields}
        known = ({"id": f"r{n}", "label": n % 2, "time": EPOCH + n} for n in range(0, ROWS, 2))
        more = ({"customer": f"c{n}"} if label_fields else {} for n in range(0, ROWS, 2))
        write_lines(folder / "logs/labels.jsonl", (a | b for a, b in zip(known, more, strict=True)))
    records = [logged(number) for number in range(ROWS)]
    for record in records:
        change(record)
    write_lines(folder / "logs/predictions.jsonl", records)
    done = exporter("check", write_monitor(folder, content), check=False)
    assert done.stderr == ""
    lines_said = done.stdout.splitlines()
    warnings = [line.removeprefix("  warning: ") for line in lines_said if line.startswith("  warning: ")]
    return done.returncode, warnings, lines_said


def test_a_right_mapping_has_no_warning(tmp_path: Path) -> None:
    code, warnings, lines = check(tmp_path, {}, labels=True)
    assert (code, warnings) == (0, [])
    assert f"  what is there, in {ROWS} records" in lines
    assert "    score      300 of 300 at 'data.outputs.score': number, such as 0.0" in lines
    assert "    amount     300 of 300 at 'data.inputs.amount': number, such as 0.0" in lines
    assert "    id         150 of 150 at 'id': text, such as \"r0\"" in lines


class Wrong(NamedTuple):
    """A wrong mapping, and how its first warning begins."""

    fields: Mapping[str, Any]
    warning: str
    change: Change = dict.copy


ALL = f"in {ROWS} of {ROWS} records"
WRONG = {
    "renamed key": Wrong(
        {"score": "data.outputs.probability"},
        f"field 'score': nothing at 'data.outputs.probability' {ALL}; there is "
        "'data.outputs.predicted_class', 'data.outputs.score'",
    ),
    "one level too deep": Wrong(
        {"score": "data.outputs.model.score"},
        f"field 'score': nothing at 'data.outputs.model.score' {ALL}; there is 'data.outputs.score'",
    ),
    "one level too shallow": Wrong(
        {"score": "data.score"},
        f"field 'score': nothing at 'data.score' {ALL}; there is 'data.outputs.score'",
    ),
    "a list where an object is meant": Wrong(
        {},
        f"field 'score': nothing at 'data.outputs.score' {ALL}; 'data.outputs' is a list in {ROWS} of them, "
        "not an object; there is 'data.outputs.0.score'",
        lambda record: record["data"].update(outputs=[record["data"]["outputs"]]),
    ),
    "features at the wrong path": Wrong(
        {"features": "data.features"},
        f"field 'features': nothing at 'data.features' {ALL}; there is 'data.inputs'",
    ),
    "features that are keys of the record": Wrong(
        {},
        f"field 'features': nothing at 'data.inputs' {ALL}; 'amount', 'age' are keys of the record itself: list them "
        "under 'features'",
        lambda record: record.update(record["data"].pop("inputs")),
    ),
    "features in an object of another name": Wrong(
        {},
        f"field 'features': nothing at 'data.inputs' {ALL}; there is 'x.columns'",
        lambda record: record.update(x={"columns": record["data"].pop("inputs")}, input={"other": 1}),
    ),
    "all values null": Wrong(
        {},
        f"field 'score': 'data.outputs.score' is there {ALL}, but never a number from 0 to 1 (null)",
        lambda record: record["data"]["outputs"].update(score=None),
    ),
    "score as text": Wrong(
        {},
        f"field 'score': 'data.outputs.score' is there {ALL}, but never a number from 0 to 1 (text), such as \"high\"",
        lambda record: record["data"]["outputs"].update(score="high"),
    ),
    "wrong case": Wrong(
        {"score": "data.outputs.Score"},
        f"field 'score': nothing at 'data.outputs.Score' {ALL}; there is 'data.outputs.score'",
    ),
    "prediction under another name": Wrong(
        {"score": None, "prediction": "data.outputs.prediction"},
        f"field 'prediction': nothing at 'data.outputs.prediction' {ALL}; there is 'data.outputs.predicted_class'",
    ),
    "score of another scale": Wrong(
        {},
        f"field 'score': 'data.outputs.score' is there {ALL}, but never a number from 0 to 1 (number), such as 50",
        lambda record: record["data"]["outputs"].update(score=50),
    ),
    "features as text": Wrong(
        {},
        f"field 'features': 'data.inputs' is there {ALL}, but never an object (text), such as \"amount=1\"",
        lambda record: record["data"].update(inputs="amount=1"),
    ),
    "a feature's values of another kind": Wrong(
        {},
        f"feature 'amount': 'data.inputs.amount' is there {ALL}, but never a number (list), such as [1, 2]",
        lambda record: record["data"].update(inputs={"amount": [1, 2], "age": None}),
    ),
    "features by other names": Wrong(
        {},
        f"feature 'amount': nothing at 'data.inputs.amount' {ALL}; there is 'data.inputs.Amount'",
        lambda record: record["data"].update(inputs={"Amount": 1, "years": 2}),
    ),
    "listed features at the wrong path": Wrong(
        {"features": ["data.input.amount", "data.input.age"]},
        f"feature 'data.input.amount': nothing at 'data.input.amount' {ALL}; there is 'data.inputs.amount'",
    ),
    "timestamp that is no time": Wrong(
        {"timestamp": "request.id"},
        f"field 'timestamp': 'request.id' is there {ALL}, but never a time such as 2026-01-31T12:00:00Z or epoch "
        'seconds (text), such as "r0"',
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_mapping_is_told_with_the_right_path(wrong: Wrong, tmp_path: Path) -> None:
    listed = isinstance(wrong.fields.get("features"), list)
    code, warnings, _ = check(tmp_path, wrong.fields, wrong.change, declared={} if listed else DECLARED)
    assert code == 1
    assert any(warning == wrong.warning or warning.startswith(wrong.warning + ",") for warning in warnings), (
        warnings
    )


def test_labels_with_another_kind_of_id(tmp_path: Path) -> None:
    code, warnings, _ = check(tmp_path, {}, labels=True, id="customer")
    assert code == 1
    assert warnings == [
        'no label looked at has the id of a prediction looked at: labels have "c0" at \'customer\', predictions "r0" '
        "at 'request.id'; ids of predictions are at 'id' of the labels"
    ]


def test_predictions_with_another_kind_of_id(tmp_path: Path) -> None:
    code, warnings, _ = check(tmp_path, {"id": "request.customer"}, labels=True)
    assert code == 1
    assert [warning.rpartition("; ")[2] for warning in warnings] == [
        "ids of labels are at 'request.id' of the predictions"
    ]


def test_labels_of_later_predictions_are_looked_for(tmp_path: Path) -> None:
    """The first records of two logs seldom begin with the same ids."""
    for part in range(5):
        records = ({"ts": EPOCH + n, "id": n, "score": 0.5} for n in range(part * 1000, part * 1000 + 1000))
        write_lines(tmp_path / f"logs/predictions-{part}.jsonl", records)
    (tmp_path / "logs/predictions-x.jsonl").mkdir()
    write_lines(tmp_path / "logs/labels.jsonl", ({"id": str(n), "label": 1} for n in range(4000, 4500)))
    content = monitor()
    content["spec"]["predictions"]["fields"] = {"timestamp": "ts", "id": "id", "score": "score"}
    done = exporter("check", write_monitor(tmp_path, content))
    assert "has the id" not in done.stdout


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda record: record["data"]["outputs"].update(score="0.5"), id="a number in text"),
        pytest.param(
            lambda record: record["data"]["inputs"].update(amount=None),
            id="one of the features is never there",
        ),
        pytest.param(
            lambda record: record.update(data={"inputs": {}}, status=500),
            id="errors have neither output nor feature",
        ),
        pytest.param(lambda record: record["model"].update(version=None), id="no version"),
    ],
)
def test_what_is_no_blind_monitor(change: Change, tmp_path: Path) -> None:
    code, *_ = check(tmp_path, {"status": "status"}, change)
    assert code == 0


def test_some_values_of_another_type_are_counted(tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        outputs = record["data"]["outputs"]
        outputs["score"] = None if record["time"] % 3 == 0 else outputs["score"]
        if record["time"] % 5 == 1:
            del outputs["score"]

    code, warnings, lines = check(tmp_path, {}, change)
    assert (code, warnings) == (0, [])
    assert (
        "    score      240 of 300 at 'data.outputs.score': number in 160, null in 80, such as 0.006666666666666667"
        in lines
    )


def test_examples_are_cut_and_safe_to_print(tmp_path: Path) -> None:
    _, _, lines = check(
        tmp_path, {}, lambda record: record["model"].update(version="\x1b[2J\x9b" + "v" * 100)
    )
    (line,) = (line for line in lines if line.startswith("    version    300"))
    assert (
        line
        == "    version    300 of 300 at 'model.version': text, such as \"\\u001b[2J\\u009b" + "v" * 23 + "…"
    )


class OfTask(NamedTuple):
    """Outputs and labels of a task: ``right`` ones, and ``wrong`` ones with what they never are."""

    fields: Mapping[str, str]
    right: Mapping[str, Any]
    label: Any
    wrong: Mapping[str, Any]
    never: str
    wrong_label: Any
    never_label: str


TASKS = {
    "binary": OfTask(
        {"prediction": "answer"},
        {"answer": True},
        "false",
        {"answer": "perhaps"},
        "a class that is known",
        "late",
        "a class",
    ),
    "multiclass": OfTask(
        {"score": "scores"},
        {"scores": {"a": 0.5, "b": 0.5}},
        "a",
        {"scores": "0.5 0.5"},
        "an object or a list of probabilities that sum to 1",
        None,
        "a class",
    ),
    "multilabel": OfTask(
        {"prediction": "tags"},
        {"tags": ["a", "b"]},
        {"a": True},
        {"tags": "a b"},
        "a set of classes",
        7,
        "a set of classes",
    ),
    "regression": OfTask(
        {"prediction": "value"}, {"value": -3}, 4.5, {"value": "n/a"}, "a number", [4, 5], "a number"
    ),
    "ranking": OfTask(
        {"prediction": "items"},
        {"items": ["a", "b"]},
        ["b"],
        {"items": "a,b"},
        "a list of items",
        "b",
        "a list of items or an object of their gains",
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_says_what_its_outputs_and_labels_are(task: str, tmp_path: Path) -> None:
    case = TASKS[task]
    for folder, outputs, label in (
        ("right", case.right, case.label),
        ("wrong", case.wrong, case.wrong_label),
    ):
        content = monitor(task=task)
        fields = content["spec"]["predictions"]["fields"] = {"timestamp": "ts", "id": "id", **case.fields}
        if task in ("multiclass", "multilabel"):
            content["spec"]["predictions"]["classes"] = ["a", "b"]
        write_lines(
            tmp_path / folder / "logs/predictions.jsonl",
            ({"ts": EPOCH + n, "id": n, **outputs} for n in range(5)),
        )
        write_lines(tmp_path / folder / "logs/labels.jsonl", ({"id": n, "label": label} for n in range(5)))
        content["spec"]["labels"]["fields"] = {"id": "id", "label": "label"}
        done = exporter("check", write_monitor(tmp_path / folder, content), check=False)
        warnings = [line for line in done.stdout.splitlines() if "warning" in line]
        if folder == "right":
            assert (done.returncode, warnings) == (0, [])
        else:
            assert done.returncode == 1
            (name,) = fields.keys() - {"timestamp", "id"}
            assert any(f"{name}': '" in line and f"but never {case.never} (" in line for line in warnings), (
                warnings
            )
            assert any(
                "'label': '" in line and f"but never {case.never_label}" in line for line in warnings
            ), warnings
