"""What is fuzzed: a function of bytes that must not raise, and samples to begin with."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import yaml

from exporter.daemon.models import load_all
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.labels import LabelDecoder
from exporter.records.predictions import PredictionDecoder
from exporter.records.reshaping import reshapings
from exporter.sinks.wrappings import record_of, unwrap
from exporter.sinks.wrappings.chunk import Chunk
from exporter.state import Store
from exporter.tasks import task_of
from mlslo.monitor import PREDICTION_PRESETS, load
from mlslo.yamlfile import InputError
from tests.support.logs import EPOCH, monitor, record, write_monitor

ROOT = Path(__file__).parents[2]
_LATEST = int((EPOCH + 86_400) * 1e6)
_STAMP = "2026-01-10T00:00:00.123456789Z"

Run = Callable[[bytes], None]


class Target(NamedTuple):
    """``opened``: a context that gives the function. ``samples``: inputs that it takes. ``words``: that it knows.

    ``joined``: how many inputs it takes at once, as lines of one, where a call is slow.
    """

    opened: Callable[[], AbstractContextManager[Run]]
    samples: list[bytes]
    words: list[bytes]
    joined: int = 1


@contextmanager
def _wrappings() -> Iterator[Run]:
    def run(data: bytes) -> None:
        content = data + b"\n"
        for final, full in ((False, False), (True, False), (False, True)):
            found = unwrap(memoryview(content), final=final, full=full)
            assert 0 <= found.consumed <= len(content)
            assert found.consumed or not full
            text = bytes(found.lines)
            assert not text or text.endswith(b"\n")
            assert text.count(b"\n") <= content[: found.consumed].count(b"\n")
        if content.startswith(b"\xef\xbb\xbf"):
            # Only a block can be the first of a file.
            return
        # Many lines at once and one by one are the same.
        blocks, lines = Chunk(), Chunk()
        blocks.take_block(content)
        for line in content[:-1].split(b"\n"):
            lines.take(line)
            record_of(line)
        for chunk in (blocks, lines):
            chunk.end(final=False, full=False)
        assert blocks.offset == lines.offset
        assert blocks.not_a_record == lines.not_a_record
        assert _stripped(blocks.records) == _stripped(lines.records)

    yield run


def _stripped(records: bytearray) -> list[bytes]:
    return [line.strip() for line in bytes(records).split(b"\n") if line.strip()]


def _wrapped() -> list[bytes]:
    text = json.dumps(record(1, at=1))
    docker = [
        {"log": text + "\n", "stream": "stdout", "time": _STAMP},
        {"log": text[:40], "stream": "stderr", "attrs": {"tag": "x"}, "time": _STAMP},
        {"log": text[40:] + "\n", "stream": "stderr", "time": _STAMP},
        {"log": "listening\n", "stream": "stderr", "time": _STAMP},
    ]
    cri = [
        ("stdout F", text),
        ("stdout P", text[:50]),
        ("stderr F", "x"),
        ("stdout F", text[50:]),
        ("stderr P", text),
    ]
    logs = [
        [json.dumps(item, separators=(",", ":")) for item in docker],
        [f"{_STAMP} {tag} {item}" for tag, item in cri],
        [
            f"2026-01-10 10:00:00,123 INFO app: {text}",
            "Traceback",
            f"[INFO] {text}",
            f"<13>1 host {text}",
            text,
        ],
        [
            'ts=1767225600 id=r1 score=0.93 features.amount=12.5 note="a \\"b\\"" ok=true debug',
            f"{_STAMP} stdout F a=1 b=2",
        ],
        [text] * 3,
    ]
    return ["\n".join(log).encode() for log in logs]


@contextmanager
def _decoder() -> Iterator[Run]:
    features = {
        "amount": {"type": "numeric"},
        "country": {"type": "categorical"},
        "note": {"type": "text"},
        "seen": {"type": "timestamp"},
    }
    with tempfile.TemporaryDirectory(prefix="mlslo-fuzz-") as folder:
        path = write_monitor(Path(folder), monitor(features=features, segments=["country", "user.plan"]))
        (model,) = load_all([path])
        spec = model.monitor.spec
        task = task_of(spec, model.references)
        schemas = VersionSchemas(model.monitor, task, model.references)
        schemas.refresh([""])
        assert spec.labels is not None
        predictions, labels = PredictionDecoder(schemas.requested()), LabelDecoder(spec.labels, task)

        def run(data: bytes) -> None:
            columns = predictions.decode(data + b"\n", _LATEST)
            assert len(columns.time) <= columns.records
            found = labels.decode(data + b"\n", _LATEST)
            assert len(found.label) <= found.records

        yield run
        predictions.close()
        labels.close()


def _predictions() -> list[bytes]:
    nested = {
        "user": {"plan": "pro"},
        "features": {"amount": "1.5", "country": None, "note": "ä", "seen": "2026-01-01"},
    }
    logs = [
        [record(n, at=n) for n in range(3)],
        [
            record(1, at=1, **nested),
            record(2, at=2, score=[0.2, 0.8], features={"amount": [1], "country": 7}),
        ],
        [record(1, at=1, status=500, features=None), {"id": "r1", "label": 1, "ts": EPOCH}, {}],
    ]
    return ["\n".join(map(json.dumps, log)).encode() for log in logs]


@contextmanager
def _presets() -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="mlslo-fuzz-") as folder, closing(Store()) as store:
        shapes = []
        for number, preset in enumerate(PREDICTION_PRESETS):
            content = monitor(labels=None)
            features = {"features": {"names": ["age", "amount"]}} if number % 2 else {}
            content["spec"]["predictions"] = {
                "preset": preset,
                "sink": {"file": {"path": "log"}},
                "fields": features if preset != "bentoml" else {"id": "request_id", "score": "score"},
            }
            read = load(write_monitor(Path(folder), content))
            shapes.append(reshapings(read, store, preset)["predictions"])

        def run(data: bytes) -> None:
            for shape in shapes:
                with store.transaction():
                    found = shape.plain(data + b"\n", _LATEST)
                    shape.expired(_LATEST)
                assert shape.needed or found.lines is not None
                if shape.needed:
                    lines = bytes(found.lines).split(b"\n")
                    assert all(line.startswith(b"{") and line.endswith(b"}") for line in lines[:-1])
                    assert not lines[-1]
                found.sample()

        yield run


def _samples_of_presets() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "tests/formats/samples").glob("*.jsonl"))]


@contextmanager
def _monitor() -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="mlslo-fuzz-") as folder:
        path = Path(folder, "monitor.yaml")

        def run(data: bytes) -> None:
            path.write_bytes(data)
            with suppress(InputError):
                load(path)

        yield run


def _monitors() -> list[bytes]:
    files = [path.read_bytes() for path in sorted((ROOT / "examples").glob("*/monitor.yaml"))]
    long = monitor(
        windows=["1h", "1d"],
        references={
            "training": {"static": "t.json"},
            "week": {"sliding": "7d"},
            "new": {"first": "7d"},
        },
        features={"amount": {"type": "numeric"}, "country": {"type": "categorical"}},
        segments=["country"],
    )
    return [*files, *(yaml.safe_dump(content, sort_keys=False).encode() for content in (monitor(), long))]


def _words(samples: list[bytes]) -> list[bytes]:
    return sorted({word.strip(b'",:{}[]') for text in samples for word in text.split()})


def _target(opened: Callable[[], AbstractContextManager[Run]], samples: list[bytes]) -> Target:
    return Target(opened, samples, _words(samples))


TARGETS = {
    "wrappings": _target(_wrappings, _wrapped()),
    "decoder": _target(_decoder, _predictions())._replace(joined=20),
    "presets": _target(_presets, _samples_of_presets()),
    "monitor": _target(_monitor, _monitors()),
}
"""By the name on the command line."""
