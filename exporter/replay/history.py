"""History folder: gauges of the past as OpenMetrics with timestamps, whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from exporter.measure.exposition import Series, Snapshot
from mlslo.catalogue import METRICS, Metric, Type

HISTORY, OPENMETRICS, BLOCKS = "history.json", "openmetrics", "blocks"
"""Entries of the folder: its description, files of OpenMetrics, blocks of Prometheus."""

STRETCH = 64_800
"""Seconds of a file of OpenMetrics, from a multiple of it on: the length of one of Prometheus' larger blocks."""


class StretchFile:
    """The samples of one stretch of time, by series, until they are written.

    OpenMetrics has all samples of a metric together, and all of a series; steps come one after another.
    """

    def __init__(self) -> None:
        # Metric -> what follows its name, with the values of its labels -> (time, value).
        self._samples: dict[str, dict[tuple[str, tuple[str, ...]], list[tuple[float, float]]]] = {
            name: {} for name in METRICS
        }

    def add(self, time: float, snapshots: Sequence[Snapshot], process: Series) -> None:
        """Add what was exported at ``time`` (Unix seconds)."""
        for series in (*(snapshot.series for snapshot in snapshots), process):
            for name, found in series.items():
                known = self._samples[name]
                for values, value in found.items():
                    known.setdefault(("", values), []).append((time, value))
        known = self._samples["ml_prediction_latency_seconds"]
        for snapshot in snapshots:
            for version, histogram in snapshot.histograms.items():
                of = (snapshot.model, version)
                for bound, count in histogram.buckets:
                    known.setdefault(("_bucket", (*of, bound)), []).append((time, count))
                known.setdefault(("_sum", of), []).append((time, histogram.total))
                known.setdefault(("_count", of), []).append((time, histogram.buckets[-1][1]))

    def text(self) -> Iterator[bytes]:
        """Yield the file, metric by metric."""
        for name, known in self._samples.items():
            if not known:
                continue
            metric = METRICS[name]
            yield _head(metric)
            # Of a histogram, and of a summary, all that is of one time stands together.
            points: dict[tuple[str, ...], list[tuple[float, str]]] = {}
            for (suffix, values), found in known.items():
                labels = dict(zip((*metric.labels, "le"), values, strict=False))
                inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
                series = f"{name}{suffix}{{{inside}}}"
                lines = [(time, f"{series} {value!r} {_stamp(time)}\n") for time, value in found]
                if metric.type in (Type.HISTOGRAM, Type.SUMMARY):
                    of = tuple(value for label, value in labels.items() if label not in ("le", "quantile"))
                    points.setdefault(of, []).extend(lines)
                else:
                    yield "".join([line for _, line in lines]).encode()
            for lines in points.values():
                lines.sort(key=lambda line: line[0])
                yield "".join([line for _, line in lines]).encode()
        yield b"# EOF\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _stamp(time: float) -> str:
    return str(int(time)) if time == int(time) else repr(time)


class _Nothing(Collector):
    """A collector of one family without samples."""

    def __init__(self, metric: Metric) -> None:
        unit = metric.unit if metric.unit and metric.name.endswith(f"_{metric.unit}") else ""
        self._family = Family(metric.name.removesuffix("_total"), metric.help, metric.type.value, unit)

    def collect(self) -> Iterator[Family]:
        yield self._family


def _head(metric: Metric) -> bytes:
    text: bytes = generate_latest(_Nothing(metric))  # type: ignore[no-untyped-call]
    return text.removesuffix(b"# EOF\n")


@contextmanager
def written(folder: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``folder`` when all is well; else nothing is left of it.

    Raises OSError, FileExistsError where there is something else than a history.
    """
    if folder.exists() and not (folder / HISTORY).is_file() and any(folder.iterdir()):
        raise FileExistsError(
            None, "holds something else than a history; expected an empty folder", str(folder)
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        (made / OPENMETRICS).mkdir()
        yield made
        made.chmod(0o755)
        if folder.exists():
            before = made / "before"
            folder.rename(before)
            made.rename(folder)
            shutil.rmtree(folder / "before")
        else:
            made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def describe(folder: Path, models: Sequence[str], first: float, last: float, step: str) -> None:
    """Write what the history is of; ``first`` and ``last``: its first and last step, Unix seconds."""
    content = {
        "apiVersion": "mlslo/v1",
        "kind": "History",
        "models": list(models),
        "from": _written(first),
        "to": _written(last),
        "step": step,
    }
    (folder / HISTORY).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def file_name(start: float) -> str:
    """Return the name of the file of the stretch that begins at ``start`` (Unix seconds)."""
    return f"{datetime.fromtimestamp(start, UTC):%Y%m%dT%H%M%SZ}.om"


def _written(time: float) -> str:
    text = datetime.fromtimestamp(time, UTC).isoformat()
    return text.replace("+00:00", "Z")
