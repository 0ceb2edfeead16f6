"""State files of every earlier schema: gone on with where their windows can be, set aside elsewhere.

The files in ``files/`` were written by the last commit of each schema, from the logs that ``write`` writes, and
compressed.
"""

from __future__ import annotations

import gzip
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exporter.daemon.models import Model, load_all
from exporter.daemon.recovery import RecoveringCycle
from exporter.measure.exposition import Snapshot
from exporter.state.store import _UPGRADES, SCHEMA_VERSION
from tests.support.logs import EPOCH, monitor, write_lines, write_monitor

FILES = Path(__file__).with_name("files")
# Not counted by the schema of then, or of the state itself.
_NOT_THEN = ("ml_monitor_", "ml_state_", "ml_field_present_ratio", "ml_sink_rejected", "ml_labels_revised")


def write(folder: Path, task: str) -> None:
    """Write logs whose first 20 predictions of 40 have a label, and one label that has no prediction."""
    source = random.Random(task)
    predictions: list[dict[str, Any]] = []
    for number in range(40):
        score = round(source.random(), 3)
        of_task = (
            {"score": score, "prediction": int(score > 0.5)} if task == "binary" else {"score": 9 * score}
        )
        predictions.append(
            {
                "ts": EPOCH + 60 + 80 * number,
                "id": f"r{number}",
                "version": "v1" if number < 25 else "v2",
                "status": 200 if number % 10 else 500,
                "latency_ms": source.choice([20.0, 80.0, 300.0]),
                "features": {"amount": round(source.gauss(3, 1), 3), "country": source.choice(["DE", "FR"])},
                **of_task,
            }
        )
    labels = [
        {
            "id": f"r{number}",
            "ts": EPOCH + 3300,
            "label": source.randrange(2) if task == "binary" else source.random(),
        }
        for number in (*range(20), 99)
    ]
    write_lines(folder / "logs/predictions.jsonl", predictions)
    write_lines(folder / "logs/labels.jsonl", labels)


def monitored(folder: Path, task: str) -> Path:
    # Keys that the monitor files of schemas 3 to 7 have had.
    segments = ["features.country"] if task == "binary" else None
    return write_monitor(folder, monitor(task=task, windows=["1h", "10m"], segments=segments))


def measured(model: Model, state: Path | None) -> Snapshot:
    with closing(RecoveringCycle(model, state)) as cycle:
        snapshot = cycle.run(at=EPOCH + 3600, final=True)
    assert snapshot is not None
    return snapshot


def test_every_schema_has_a_file() -> None:
    schemas = {int(path.name.split("-")[0]) for path in FILES.iterdir()}
    assert schemas == set(range(1, SCHEMA_VERSION))
    assert set(_UPGRADES) == set(range(min(_UPGRADES), SCHEMA_VERSION))


def opened(folder: Path, schema: int, task: str) -> tuple[Model, Path]:
    """A model whose logs are empty, and a folder with its state of an earlier schema."""
    (folder / "logs").mkdir()
    for name in ("predictions", "labels"):
        (folder / f"logs/{name}.jsonl").write_bytes(b"")
    (model,) = load_all([monitored(folder, task)])
    state = folder / "state"
    state.mkdir()
    model.state_file(state).write_bytes(gzip.decompress((FILES / f"{schema}-{task}.sqlite.gz").read_bytes()))
    return model, state


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("schema", sorted(_UPGRADES))
def test_windows_and_counters_are_gone_on_with(schema: int, task: str, tmp_path: Path) -> None:
    """As today's code counts the same logs; and what waits for its label is joined."""
    model, state = opened(tmp_path, schema, task)
    (tmp_path / "today").mkdir()
    write(tmp_path / "today", task)
    (today,) = load_all([monitored(tmp_path / "today", task)])
    later = [{"id": f"r{number}", "ts": EPOCH + 3400, "label": 1} for number in range(20, 30)]
    for more in ([], later):
        for folder in (tmp_path, tmp_path / "today"):
            write_lines(folder / "logs/labels.jsonl", more)
        found, expected = measured(model, state), measured(today, tmp_path / "today/state")
        assert not any(found.series["ml_state_set_aside_total"].values())
        names = {name for name in expected.series if not name.startswith(_NOT_THEN)}
        assert len(names) > 25
        for name in names:
            assert found.series[name] == pytest.approx(expected.series[name], rel=1e-12), name
        assert found.histograms.keys() == expected.histograms.keys()
        for series, histogram in expected.histograms.items():
            # The sum of latencies was a float then.
            assert found.histograms[series].total == pytest.approx(histogram.total, rel=1e-12)
            assert found.histograms[series]._replace(total=histogram.total) == histogram


@pytest.mark.parametrize("schema", range(1, min(_UPGRADES)))
def test_what_cannot_be_gone_on_with_is_set_aside(schema: int, tmp_path: Path) -> None:
    model, state = opened(tmp_path, schema, "binary")
    content = model.state_file(state).read_bytes()
    found = measured(model, state)
    assert found.series["ml_state_set_aside_total"]["m", "older_schema"] == 1
    (kept,) = state.glob("m.sqlite.set-aside-*-older_schema")
    assert kept.read_bytes() == content
