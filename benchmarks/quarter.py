"""A quarter of the example model's logs, to replay and to test alerts on: the same seed gives the same records.

    .venv/bin/python -m benchmarks.quarter FOLDER [--days 90] [--per-minute 16] [--label-delay 6h] [--seed 1]
        [--start 2025-01-06T00:00:00Z] [--deploy 30 60] [--shift 75+3] [--concept 40+3] [--as-example]

FOLDER gets monitor.yaml, references/validation.json and logs/. Traffic has a season by hour (a third at night) and by
weekday (two fifths on Sundays). Labels come after a delay that is exponential around --label-delay, one in ten after
five times as much, one in twenty never; those of after the log's end are not in it. --deploy: days on which a new
version begins, which is as good as the one before.
--shift DAY+LENGTH: laboratories report in other units for so many days, and the model is truly worse. --concept: for so
many days three of ten labels are other ones, and no feature tells. --as-example: the example's own windows; otherwise a
window of 2d is added, which labels that late can fill.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mlslo.yamlfile import Duration

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2025, 1, 6, tzinfo=UTC).timestamp()
"""A Monday."""
DAY = 86_400.0
_WEEKDAYS = np.array([1.0, 1.05, 1.0, 1.0, 0.95, 0.6, 0.4])
_SHARE_OF_SHIFTED = 0.7
_SHARE_OF_CONCEPT = 0.3


@dataclass(frozen=True)
class Story:
    """What happens in a log. Times in days after ``start`` (Unix seconds), ``delay`` in seconds.

    ``deployments``: when a new version begins. ``shifts`` and ``concepts``: (when, how long).
    """

    days: float = 90.0
    per_minute: float = 16.0
    delay: float = 21_600.0
    seed: int = 1
    start: float = START
    deployments: tuple[float, ...] = (30.0, 60.0)
    shifts: tuple[tuple[float, float], ...] = ((75.0, 3.0),)
    concepts: tuple[tuple[float, float], ...] = ()

    def version(self, day: float) -> str:
        """Return the version that serves on ``day``."""
        return f"1.{sum(day >= begun for begun in self.deployments)}.0"


def _within(days: np.ndarray, spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return which of ``days`` lie in one of ``spans``."""
    found = np.zeros(len(days), dtype=bool)
    for begun, length in spans:
        found |= (days >= begun) & (days < begun + length)
    return found


def rate(seconds: np.ndarray) -> np.ndarray:
    """Return the traffic at times (Unix seconds), against its mean over a week."""
    hours = seconds % DAY / 3600
    by_hour = 1 - 0.5 * np.cos((hours - 3) / 24 * 2 * np.pi)
    # 1970 began on a Thursday.
    weekday = (seconds // DAY + 3).astype(int) % 7
    found: np.ndarray = by_hour * _WEEKDAYS[weekday] / _WEEKDAYS.mean()
    return found


def write(folder: Path, story: Story, *, windows: Sequence[str] | None = None) -> Path:
    """Write monitor file, reference and logs into ``folder``; return the path of the monitor file."""
    import yaml

    from examples.make_example import write as write_lines

    example = ROOT / "examples" / "diabetes"
    content = yaml.safe_load((example / "monitor.yaml").read_text(encoding="utf-8"))
    content["spec"]["labels"]["maxDelay"] = "30d"
    content["spec"]["windows"] = list(windows or content["spec"]["windows"])
    folder.mkdir(parents=True, exist_ok=True)
    monitor = folder / "monitor.yaml"
    monitor.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "exporter",
        "baseline",
        monitor,
        "--data",
        example / "reference-data.jsonl",
    ]
    out = folder / "references" / "validation.json"
    subprocess.run([*map(str, command), "--out", str(out)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    labels = _write_predictions(folder / "logs" / "predictions.jsonl", story)
    labels.sort(key=lambda record: str(record["ts"]))
    write_lines(folder / "logs" / "labels.jsonl", labels)
    return monitor


def _write_predictions(path: Path, story: Story) -> list[dict[str, Any]]:
    """Write the predictions day by day; return their labels."""
    import msgspec

    path.parent.mkdir(parents=True, exist_ok=True)
    labels = []
    with path.open("wb") as log:
        for prediction, label in records(story):
            log.write(msgspec.json.encode(prediction))
            log.write(b"\n")
            if label is not None:
                labels.append(label)
    return labels


def records(story: Story) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Yield each prediction in order of time, with its label where one comes."""
    from examples.make_example import NUMERIC, Classifier, Traffic, bmi_class, patients

    random = np.random.default_rng(story.seed)
    concepts = np.random.default_rng([story.seed, 1])
    rows, truth = patients()
    order = np.random.default_rng(20250106).permutation(len(rows))
    trained, held_out = order[: len(rows) // 2], order[len(rows) // 2 :]
    model = Classifier([rows[index] for index in trained], truth[trained])
    pool = [rows[index] for index in held_out]
    spread = {name: float(np.std([row[name] for row in pool])) for name in NUMERIC}
    values = {name: np.array([row[name] for row in pool], dtype=float) for name in NUMERIC}
    number, end = 0, story.start + story.days * DAY
    for day in range(int(np.ceil(story.days))):
        times = _arrivals(story, day, random)
        size = len(times)
        drawn = random.integers(len(pool), size=size)
        columns = {
            name: (values[name][drawn] + random.normal(0, spread[name] / 10, size)).round(decimals).tolist()
            for name, decimals in NUMERIC.items()
        }
        missing = (random.random(size) < 0.01).tolist()
        days = (times - story.start) / DAY
        shifted = (_within(days, story.shifts) & (random.random(size) < _SHARE_OF_SHIFTED)).tolist()
        features = []
        for place, index in enumerate(drawn.tolist()):
            row: dict[str, Any] = {name: column[place] for name, column in columns.items()}
            row["sex"], row["bmi_class"] = pool[index]["sex"], bmi_class(row["bmi"])
            row["blood_pressure"] = None if missing[place] else row["blood_pressure"]
            features.append(Traffic.drift(row) if shifted[place] else row)
        scores = model.scores(features).tolist()
        latency = random.lognormal(np.log(38), 0.35, size).round(1).tolist()
        failed = (random.random(size) < 0.0005).tolist()
        delays = random.exponential(story.delay, size) * np.where(random.random(size) < 0.1, 5.0, 1.0)
        labelled = (random.random(size) >= 0.05).tolist()
        known = (times + delays).tolist()
        other = _within(days, story.concepts) & (concepts.random(size) < _SHARE_OF_CONCEPT)
        labels = np.where(other, 1 - truth[held_out][drawn], truth[held_out][drawn]).tolist()
        for place, time in enumerate(times.tolist()):
            number += 1
            name = f"p{number:07d}"
            bad = failed[place]
            yield (
                {
                    "ts": _stamp(time),
                    "request_id": name,
                    "model_version": story.version(days[place]),
                    "status": 503 if bad else 200,
                    "latency_ms": latency[place],
                    "score": None if bad else scores[place],
                    "prediction": None if bad else int(scores[place] >= 0.5),
                    "features": features[place],
                },
                {"ts": _stamp(known[place]), "request_id": name, "label": labels[place]}
                if labelled[place] and not bad and known[place] < end
                else None,
            )


def _arrivals(story: Story, day: int, random: np.random.Generator) -> np.ndarray:
    """Return the times of a day's requests (Unix seconds), ascending: a Poisson process thinned to the season."""
    length = min(DAY, (story.days - day) * DAY)
    most = 3.0
    size = random.poisson(story.per_minute * length / 60 * most)
    times = np.sort(story.start + day * DAY + random.random(size) * length)
    kept: np.ndarray = times[random.random(size) < rate(times) / most]
    return kept


def _stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shift(text: str) -> tuple[float, float]:
    begun, _, length = text.partition("+")
    return float(begun), float(length or 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=float, default=90.0)
    parser.add_argument("--per-minute", type=float, default=16.0)
    parser.add_argument("--label-delay", default="6h")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", default="2025-01-06T00:00:00Z")
    parser.add_argument("--deploy", type=float, nargs="*", default=[30.0, 60.0])
    parser.add_argument("--shift", type=_shift, nargs="*", default=[(75.0, 3.0)])
    parser.add_argument("--concept", type=_shift, nargs="*", default=[])
    parser.add_argument("--as-example", action="store_true")
    options = parser.parse_args()
    story = Story(
        days=options.days,
        per_minute=options.per_minute,
        delay=Duration(options.label_delay).seconds,
        seed=options.seed,
        start=datetime.fromisoformat(options.start).timestamp(),
        deployments=tuple(options.deploy),
        shifts=tuple(options.shift),
        concepts=tuple(options.concept),
    )
    write(options.folder, story, windows=None if options.as_example else ("30m", "2h", "2d"))


if __name__ == "__main__":
    main()
