"""A model's year in fast motion: the first files as `init` writes them, replayed and judged by their own alerts.

    .venv/bin/python -m benchmarks.model_year [--quick] [--step 1h] [--seed 1] [--keep FOLDER]

A year of the example model's logs (benchmarks.quarter): seasons by hour and weekday, labels hours to days late, three
deployments, and two real shifts, one of the features and one of the labels alone. `mlslo-exporter init` and
`mlslo-rulegen init` write the files, `replay` the gauges, `backtest` says who would have been notified of what. A
notification is false where no shift is, or was within the two longest windows before. While the log is shorter than
the longest window some gauges cannot be there, and no-data alerts say so: they are counted apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import quarter
from benchmarks.process import python
from benchmarks.table import Row, finish
from mlslo.yamlfile import Duration

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools" / "2.42" / "bin"
"""Where `scripts/tools` puts a Prometheus."""
URGENT = ("oncall", "chat")
"""The receivers of P1 and P2 in the routing file that `init` writes."""
WINDOWS_ALLOWED = 2
WINDOW = 7.0
"""Days of the longest window that `init` chooses at a prediction a minute."""


def _story(seed: int, *, quick: bool) -> quarter.Story:
    """Return the year, or a quarter of it."""
    if quick:
        return quarter.Story(90.0, 1.0, 21_600.0, seed, deployments=(20.0,), shifts=((60.0, 10.0),))
    return quarter.Story(
        days=365.0,
        per_minute=1.0,
        seed=seed,
        deployments=(60.0, 150.0, 240.0),
        shifts=((110.0, 10.0),),
        concepts=((280.0, 10.0),),
    )


def _first_files(folder: Path, log: Path) -> tuple[Path, list[Path]]:
    """Return the monitor file and the specs that `init` writes."""
    files, specs = folder / "model", folder / "specs"
    labels, training = log / "logs" / "labels.jsonl", ROOT / "examples" / "diabetes" / "reference-data.jsonl"
    options = ("--labels", labels, "--data", training, "--out", files)
    python("-m", "exporter", "init", log / "logs" / "predictions.jsonl", *options)
    (monitor,) = files.glob("*.yaml")
    python("-m", "rulegen", "init", monitor, "--out", specs)
    # A year by the minute is half a million evaluations; gauges that move once an hour need no more than these.
    routing = specs / "routing.yaml"
    text = routing.read_text(encoding="utf-8")
    routing.write_text(text.replace("evaluationInterval: 1m", "evaluationInterval: 5m"), encoding="utf-8")
    return monitor, [*specs.glob("*.yaml"), monitor]


def _beginnings(found: dict[str, Any], start: float) -> list[tuple[float, str, str]]:
    """Return each message that said that something began: day, receiver, alerts."""
    known: dict[tuple[str, str], set[str]] = {}
    begun = []
    for message in found["messages"]:
        key = message["receiver"], json.dumps(message["groupLabels"], sort_keys=True)
        firing = {json.dumps(labels, sort_keys=True) for labels in message["firing"]}
        if fresh := firing - known.get(key, set()):
            names = Counter(json.loads(text)["alertname"] for text in fresh)
            day = (datetime.fromisoformat(message["time"]).timestamp() - start) / quarter.DAY
            begun.append((day, message["receiver"], ", ".join(sorted(names))))
        known[key] = firing
    return begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a quarter with one shift")
    parser.add_argument("--step", default="1h")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the files in this folder")
    options = parser.parse_args()
    story = _story(options.seed, quick=options.quick)
    with tempfile.TemporaryDirectory(prefix="mlslo-year-") as name:
        folder = options.keep or Path(name)
        quarter.write(folder / "log", story)
        monitor, specs = _first_files(folder, folder / "log")
        history = folder / "history"
        replayed = python("-m", "exporter", "replay", monitor, "--step", options.step, "--out", history)
        judged = python(
            "-m", "rulegen", "backtest", *specs, "--history", history, "--tools", TOOLS, "--format", "json"
        )
    found = json.loads(judged.output)
    begun = _beginnings(found, story.start)
    events = sorted([*story.shifts, *story.concepts])
    urgent = [item for item in begun if item[1] in URGENT]
    early = [item for item in urgent if item[0] < WINDOW]
    after = WINDOWS_ALLOWED * WINDOW
    false = [
        item
        for item in urgent
        if item not in early and not any(day <= item[0] < day + length + after for day, length in events)
    ]
    steps = story.days * quarter.DAY / Duration(options.step).seconds
    rows = [
        Row(
            "notifications at P1 or P2 without a shift",
            len(false),
            "",
            0,
            note="; ".join(f"day {day:.1f} {names}" for day, _, names in false[:8]),
        )
    ]
    for day, length in events:
        told = [item for item in urgent if day <= item[0] < day + length + after]
        late = (told[0][0] - day) / WINDOW if told else None
        what = "labels" if (day, length) in story.concepts else "features"
        note = "; ".join(f"+{at - day:.1f}d {names}" for at, _, names in told[:4])
        rows.append(
            Row(f"shift of {what} on day {day:g}: told after", late, "windows", WINDOWS_ALLOWED, note=note)
        )
    rows.append(
        Row(
            "notifications while the log is shorter than a window",
            len(early),
            note=", ".join(sorted({names for _, _, names in early})),
        )
    )
    digest = Counter(names for _, receiver, names in begun if receiver == "digest")
    note = "; ".join(f"{number} x {names}" for names, number in digest.most_common(6))
    rows += [
        Row("messages of the digest that say something new", digest.total(), note=note),
        Row("replay, CPU a step", replayed.cpu / steps * 1000, "ms"),
        Row("replay, peak memory", replayed.memory, "MiB"),
        Row("backtest, wall", judged.wall, "s"),
    ]
    finish(f"A year of a model, {steps:.0f} steps", rows, quick=options.quick)


if __name__ == "__main__":
    main()
