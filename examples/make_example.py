"""Train the example model and write its recorded logs: `python -m examples.make_example [FOLDER]`.

The classifier says whether a patient's diabetes will have progressed far within a year. It is a logistic
regression, trained on one half of the diabetes data that ships with scikit-learn (Efron, Hastie, Johnstone
and Tibshirani, *Least Angle Regression*, 2004). 442 patients make no log, so the traffic is drawn from the
other half with replacement, and every numeric value is jittered by a tenth of its standard deviation. The
model has seen none of those patients.
"""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from examples.story import END_MINUTES, HISTORY_MINUTES, PHASES, START, phase_at

SEED = 20250106
REFERENCE_ROWS = 2000
PREDICTIONS_PER_MINUTE = 16
PROGRESSED_ABOVE = 180
"""The data set's measure of progression after a year, above which the label is 1: 35 % of the patients."""

NUMERIC = {
    "age": 0,
    "bmi": 1,
    "blood_pressure": 1,
    "total_cholesterol": 1,
    "ldl": 1,
    "hdl": 1,
    "cholesterol_ratio": 2,
    "log_triglycerides": 3,
    "glucose": 1,
}
"""The numeric features in the data set's order (without `sex`), and the decimals they are reported with."""

MG_PER_MMOL = {"total_cholesterol": 38.67, "ldl": 38.67, "hdl": 38.67, "glucose": 18.016}
"""mg/dL that make one mmol/L."""

LOG_TRIGLYCERIDES_SHIFT = float(np.log(88.57))
BMI_CLASSES = ((18.5, "underweight"), (25.0, "normal"), (30.0, "overweight"), (float("inf"), "obese"))
CONSTANT_SCORE = 0.35
DRIFTED_PHASES = ("drifting", "collapsed", "failing")

Row = dict[str, Any]
Generator = np.random.Generator


class Classifier:
    """The model and what a serving process does around it: fill gaps, encode, score."""

    def __init__(self, rows: list[Row], labels: NDArray[np.int64]) -> None:
        self._fill = {name: float(np.median([row[name] for row in rows])) for name in NUMERIC}
        self._encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        self._encoder.fit(self._categories(rows))
        self._model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3))
        self._model.fit(self._matrix(rows), labels)

    def scores(self, rows: list[Row]) -> NDArray[np.float64]:
        """P(progressed), one for each row, rounded as the server rounds it: to four decimals."""
        probabilities: NDArray[np.float64] = self._model.predict_proba(self._matrix(rows))[:, 1]
        return probabilities.round(4)

    def _matrix(self, rows: list[Row]) -> NDArray[np.float64]:
        numbers = [[self._fill[name] if row[name] is None else row[name] for name in NUMERIC] for row in rows]
        return np.hstack([np.array(numbers, dtype=float), self._encoder.transform(self._categories(rows))])

    @staticmethod
    def _categories(rows: list[Row]) -> list[list[str]]:
        return [[row["sex"], row["bmi_class"]] for row in rows]


def bmi_class(bmi: float) -> str:
    """The World Health Organization's class of a body-mass index in kg/m²."""
    return next(name for upper, name in BMI_CLASSES if bmi < upper)


def patients() -> tuple[list[Row], NDArray[np.int64]]:
    """The data set: features by name, and whether the disease progressed."""
    data = load_diabetes(scaled=False)
    columns = ["age", "sex", *list(NUMERIC)[1:]]
    rows = []
    for values in data.data:
        row: Row = dict(zip(columns, (float(value) for value in values), strict=True))
        # The data set codes the sex as 1 and 2 and doesn't say which is which.
        row["sex"] = str(int(row["sex"]))
        row["bmi_class"] = bmi_class(row["bmi"])
        rows.append(row)
    return rows, (data.target > PROGRESSED_ABOVE).astype(np.int64)


class Traffic:
    """Patients drawn from a pool with replacement, jittered."""

    def __init__(self, pool: list[Row], labels: NDArray[np.int64], random: Generator) -> None:
        self._pool, self._labels, self._random = pool, labels, random
        self._spread = {name: float(np.std([row[name] for row in pool])) for name in NUMERIC}

    def draw(self) -> tuple[Row, int]:
        """One patient's features and label."""
        index = int(self._random.integers(len(self._pool)))
        row = dict(self._pool[index])
        for name, decimals in NUMERIC.items():
            value = row[name] + self._random.normal(0, self._spread[name] / 10)
            row[name] = round(value, decimals) if decimals else round(value)
        row["bmi_class"] = bmi_class(row["bmi"])
        if self._random.random() < 0.01:
            row["blood_pressure"] = None
        return row, int(self._labels[index])

    @staticmethod
    def drift(row: Row) -> Row:
        """The same patient, reported by a laboratory that changed its units, in new software."""
        drifted = dict(row)
        for name, factor in MG_PER_MMOL.items():
            drifted[name] = round(row[name] / factor, 2)
        drifted["log_triglycerides"] = round(row["log_triglycerides"] - LOG_TRIGLYCERIDES_SHIFT, 3)
        if row["bmi_class"] == "obese":
            drifted["bmi_class"] = "obese-1" if row["bmi"] < 35 else "obese-2"
        return drifted


def record_log(model: Classifier, traffic: Traffic, random: Generator) -> Iterator[tuple[Row, Row | None]]:
    """Each prediction of the story in order of time, with its label where one arrives.

    A label arrives after a delay that is exponential with a mean of four minutes; one in twenty never does.
    """
    minutes = list(arrivals(random))
    drawn = [traffic.draw() for _ in minutes]
    rows = [
        traffic.drift(row) if drifted(minute, random) else row
        for minute, (row, _) in zip(minutes, drawn, strict=True)
    ]
    scores = model.scores(rows)
    for number, (minute, row, score) in enumerate(zip(minutes, rows, scores, strict=True), start=1):
        phase = phase_at(minute)
        fails = random.random() < (0.5 if phase.name == "failing" else 0.0005)
        latency = random.lognormal(np.log(1400 if phase.name == "failing" else 38), 0.35)
        answer = CONSTANT_SCORE if phase.version == "1.1.0" else float(score)
        prediction = {
            "ts": timestamp(minute),
            "request_id": f"p{number:05d}",
            "model_version": phase.version,
            "status": 503 if fails else 200,
            "latency_ms": round(float(latency), 1),
            "score": None if fails else answer,
            "prediction": None if fails else int(answer >= 0.5),
            "features": row,
        }
        known = timestamp(minute + float(random.exponential(4)))
        if fails or random.random() < 0.05:
            yield prediction, None
        else:
            yield prediction, {"ts": known, "request_id": f"p{number:05d}", "label": drawn[number - 1][1]}


def arrivals(random: Generator) -> Iterator[float]:
    """Minutes of the story at which a request arrives: a Poisson process, from the history to the end."""
    minute = -float(HISTORY_MINUTES)
    while (minute := minute + float(random.exponential(1 / PREDICTIONS_PER_MINUTE))) < END_MINUTES:
        yield minute


def drifted(minute: float, random: Generator) -> bool:
    """Return whether a request of this minute comes from a clinic whose laboratory has changed its units.

    They change one after the other, within ten minutes. The repaired release converts the units.
    """
    start = PHASES[1].start
    return phase_at(minute).name in DRIFTED_PHASES and random.random() < (minute - start) / 10


def timestamp(minute: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = START + timedelta(milliseconds=round(minute * 60_000))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(path: Path, records: list[Row]) -> None:
    """One JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")


def make(folder: Path) -> None:
    """Train, and write reference-data.jsonl, logs/predictions.jsonl and logs/labels.jsonl into `folder`."""
    random = np.random.default_rng(SEED)
    rows, labels = patients()
    order = random.permutation(len(rows))
    trained_on, held_out = order[: len(rows) // 2], order[len(rows) // 2 :]
    model = Classifier([rows[index] for index in trained_on], labels[trained_on])
    traffic = Traffic([rows[index] for index in held_out], labels[held_out], random)

    drawn = [traffic.draw() for _ in range(REFERENCE_ROWS)]
    scores = model.scores([row for row, _ in drawn])
    reference = [
        {"score": float(score), "prediction": int(score >= 0.5), "label": label, "features": row}
        for (row, label), score in zip(drawn, scores, strict=True)
    ]
    write(folder / "reference-data.jsonl", reference)

    log = list(record_log(model, traffic, random))
    write(folder / "logs" / "predictions.jsonl", [prediction for prediction, _ in log])
    known = [label for _, label in log if label is not None]
    write(folder / "logs" / "labels.jsonl", sorted(known, key=lambda record: str(record["ts"])))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "diabetes")
