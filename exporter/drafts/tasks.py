"""The task of a model, told by what it answers and by its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from exporter.drafts.roles import number, texts
from mlslo.monitor import POSITIVE

_MOST_CLASSES = 200
_CONTINUOUS = 20
_SHOWN = 5
_NEGATIVE = ("0", "0.0", "-1", "false", "no")
_NEGATIVE_NAMES = (
    "neg",
    "no",
    "not",
    "non",
    "false",
    "legit",
    "good",
    "normal",
    "ham",
    "ok",
    "benign",
    "low",
    "den",
    "rej",
)


class TaskGuess(NamedTuple):
    """``score`` and ``prediction``: whether the field stays; a prediction that is a number may be the score.

    ``keys``: beside `sink` and `fields`. ``doubt``: what the user should look at.
    """

    task: str
    score: bool = True
    prediction: bool = True
    prediction_is_score: bool = False
    keys: Mapping[str, Any] = {}
    doubt: str = ""


def guess(scores: Sequence[Any], predictions: Sequence[Any], labels: Sequence[Any]) -> TaskGuess:
    """Guess by the values of each field but null; a field that is not there has none."""
    listed = [value for value in scores if isinstance(value, list)]
    if scores and isinstance(scores[0], dict):
        return _of_objects([value for value in scores if isinstance(value, dict)])
    if listed:
        return _of_lists(listed, predictions, labels)
    if predictions and isinstance(predictions[0], list):
        return _of_sets([value for value in predictions if isinstance(value, list)], labels)
    known = [found for value in scores if (found := number(value)) is not None]
    if known:
        return _of_numbers(known, predictions, labels)
    return _of_classes(predictions, labels)


def _of_objects(scores: Sequence[Mapping[str, Any]]) -> TaskGuess:
    sums = [sum(number(value) or 0 for value in score.values()) for score in scores]
    if all(abs(found - 1) < 0.02 for found in sums):
        return TaskGuess("multiclass", keys={"classes": sorted({key for score in scores for key in score})})
    doubt = "the scores of a record do not sum to 1, so each class has its own probability; if not: task multiclass"
    return TaskGuess(
        "multilabel", keys={"classes": sorted({key for score in scores for key in score})}, doubt=doubt
    )


def _of_lists(
    scores: Sequence[Sequence[Any]], predictions: Sequence[Any], labels: Sequence[Any]
) -> TaskGuess:
    lengths = {len(score) for score in scores}
    sums_to_one = all(abs(sum(number(value) or 0 for value in score) - 1) < 0.02 for score in scores)
    if not sums_to_one or len(lengths) > 1:
        return TaskGuess(
            "ranking", doubt="lists of scores are read as those of ranked items; if not: task multilabel"
        )
    classes = sorted(set(texts(predictions)) | set(texts(labels)))
    if lengths == {2}:
        positive = _positive(predictions, labels)
        order = (
            {"classes": sorted(classes, key=lambda name: name == positive.keys["positiveClass"])}
            if positive.keys
            else {}
        )
        return positive._replace(keys={**positive.keys, **order})
    (length,) = lengths
    if len(classes) != length:
        classes = [f"class_{position}" for position in range(length)]
    doubt = f"the log does not say which class each of the {length} probabilities is of: write 'classes' in their order"
    return TaskGuess("multiclass", keys={"classes": classes}, doubt=doubt)


def _of_sets(predictions: Sequence[Sequence[Any]], labels: Sequence[Any]) -> TaskGuess:
    names = sorted({name for prediction in predictions for name in texts(prediction)})
    several = len(names) > _MOST_CLASSES or (len(names) > _CONTINUOUS and 2 * len(names) > len(predictions))
    if several or any(isinstance(label, dict) for label in labels) or len(names) < 2:
        return TaskGuess("ranking")
    doubt = (
        "lists of predictions are read as sets of classes; if they are ranked items, best first: task ranking"
    )
    return TaskGuess("multilabel", keys={"classes": names}, doubt=doubt)


def _of_numbers(scores: Sequence[float], predictions: Sequence[Any], labels: Sequence[Any]) -> TaskGuess:
    if min(scores) < 0 or max(scores) > 1 or _is_continuous(labels):
        return TaskGuess("regression", prediction=False)
    decided, known = _classes(predictions), _classes(labels)
    if len(decided | known) > 2:
        if 0 < len(known) <= 2 and not decided & known:
            doubt = (
                f"labels say {_or(labels)}, never {_or(predictions)}: predictions are left out, "
                "and precision and recall are those of a score of 0.5"
            )
            return _positive((), labels)._replace(prediction=False, doubt=doubt)
        doubt = "one score beside more than two classes says nothing of the others: it is not read"
        return _of_classes(predictions, labels)._replace(score=False, doubt=doubt)
    return _positive(predictions, labels)


def _of_classes(predictions: Sequence[Any], labels: Sequence[Any]) -> TaskGuess:
    if _is_continuous(predictions) or _is_continuous(labels):
        known = [found for value in predictions if (found := number(value)) is not None]
        if known and min(known) >= 0 and max(known) <= 1 and not _is_continuous(labels):
            return _positive((), labels)._replace(prediction=False, prediction_is_score=True)
        return TaskGuess("regression", prediction=False, prediction_is_score=True)
    classes = sorted(_classes(predictions) | _classes(labels))
    if len(classes) <= 2:
        binary = _positive(predictions, labels)
        if classes:
            return binary
        return binary._replace(
            doubt="no score and no prediction was found: write where they are, and the task"
        )
    if len(classes) > _MOST_CLASSES:
        return TaskGuess(
            "multiclass", doubt=f"{len(classes)} classes are more than {_MOST_CLASSES}: are they classes?"
        )
    return TaskGuess("multiclass", keys={"classes": classes})


def _classes(values: Sequence[Any]) -> set[str]:
    """Return the classes; where all are known as yes and no, such as true beside 1, one name for each."""
    found = set(texts(values))
    if any(name.lower() not in (*POSITIVE, *_NEGATIVE) for name in found):
        return found
    return {"1" if name.lower() in POSITIVE else "0" for name in found}


def _or(values: Sequence[Any]) -> str:
    return " or ".join(sorted(set(texts(values)))[:_SHOWN])


def _positive(predictions: Sequence[Any], labels: Sequence[Any]) -> TaskGuess:
    """Return a binary model's guess, with the positive class where its name is none of those that are known."""
    counted = Counter([*texts(predictions), *texts(labels)])
    if len(counted) != 2 or all(name.lower() in (*POSITIVE, *_NEGATIVE) for name in counted):
        return TaskGuess("binary")
    plain = [name for name in counted if not name.lower().startswith(_NEGATIVE_NAMES)]
    positive = plain[0] if len(plain) == 1 else min(sorted(counted), key=counted.__getitem__)
    other = next(name for name in counted if name != positive)
    return TaskGuess(
        "binary", keys={"positiveClass": positive}, doubt=f"is '{positive}' the positive class, or '{other}'?"
    )


def _is_continuous(values: Sequence[Any]) -> bool:
    known = [found for value in values if (found := number(value)) is not None]
    if not known or len(known) < 0.9 * len(values):
        return False
    return any(not value.is_integer() for value in known) or len(set(known)) > _CONTINUOUS
