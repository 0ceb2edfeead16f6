"""A fleet of exporters over parts of one log, in this process, and one exporter over all of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from exporter.daemon.cycle import Cycle
from exporter.daemon.fleet_cycle import AskError, FleetCycle
from exporter.daemon.models import Model, load_all
from exporter.measure.exposition import Snapshot
from exporter.state import Store, sent
from exporter.state.sent import Asked, Sent
from tests.support.logs import write_lines, write_monitor

OWN = {
    # What each process says of itself.
    "ml_monitor_last_success_timestamp_seconds",
    "ml_monitor_cycle_duration_seconds",
    "ml_state_size_bytes",
    "ml_sink_lag_bytes",
    "ml_reference_created_timestamp_seconds",
    # What waits for labels stays where it is.
    "ml_predictions_pending",
    "ml_label_sampling_ratio",
    "ml_fleet_exporters",
    "ml_fleet_exporter_last_summaries_timestamp_seconds",
}
"""Gauges of an aggregator that are not those of one exporter over all logs."""

Record = dict[str, Any]


def share(record: Mapping[str, Any], number: int) -> int:
    """Return the exporter of ``number`` that has a prediction and its labels."""
    return zlib.crc32(str(record["id"]).encode()) % number


class Pod:
    """An exporter in its own folder, which shares ``reference`` and the monitor file with the others."""

    def __init__(self, folder: Path, monitor: Mapping[str, Any], reference: Path | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._monitor = write_monitor(folder, monitor)
        if reference is not None:
            (folder / "reference.json").write_bytes(reference.read_bytes())
        self.cycle: Cycle | None = None

    @property
    def model(self) -> Model:
        (model,) = load_all([self._monitor])
        return model

    def log(self, predictions: Iterable[Record] = (), labels: Iterable[Record] = ()) -> None:
        write_lines(self.folder / "logs" / "predictions.jsonl", predictions)
        write_lines(self.folder / "logs" / "labels.jsonl", labels)

    def run(self) -> Snapshot:
        if self.cycle is None:
            self.cycle = self.model.open(self.folder / "state")
        snapshot = self.cycle.run()
        assert snapshot is not None
        return snapshot

    def stop(self) -> None:
        if self.cycle is not None:
            self.cycle.close()
            self.cycle = None


class PodFleet:
    """Exporters at addresses, asked without a network, by the bytes that would go over it.

    ``buckets``: how many had their content on each page so far.
    """

    def __init__(self) -> None:
        self.at: dict[str, Pod] = {}
        self.buckets: list[int] = []
        self._lock = Lock()

    def instances(self) -> Sequence[str]:
        return list(self.at)

    def ask(
        self,
        instance: str,
        model: str,  # noqa: ARG002 - of the protocol
        asked: Asked,
        tag: str,  # noqa: ARG002
        timeout: float | None,  # noqa: ARG002
    ) -> tuple[Sent, str] | None:
        cycle = self.at[instance].cycle
        if cycle is None:
            raise AskError("unreachable", "it is gone")
        # By turns, as a daemon answers.
        with self._lock:
            found = sent.read(sent.write(cycle.page(asked)))
        self.buckets.append(len(found.portable.buckets))
        return found, ""


def aggregator(pod: Pod, fleet: PodFleet, state: Path | None = None) -> FleetCycle:
    """Return the aggregator of a fleet, by the monitor file of ``pod``."""
    return FleetCycle(pod.model, Store(state), fleet)


def merged(cycle: FleetCycle) -> Snapshot:
    snapshot = cycle.run()
    assert snapshot is not None
    return snapshot


def different(found: Snapshot, expected: Snapshot, leave_out: Iterable[str] = ()) -> list[str]:
    """Return what differs between two pages by more than the rounding of sums, a line each."""
    told = []
    skipped = OWN | set(leave_out)
    for name in sorted((found.series.keys() | expected.series.keys()) - skipped):
        one, other = (dict(snapshot.series.get(name, {})) for snapshot in (found, expected))
        told += [f"only in the fleet: {name}{key}" for key in one.keys() - other.keys()]
        told += [f"not in the fleet: {name}{key}" for key in other.keys() - one.keys()]
        told += [
            f"{name}{key}: {one[key]!r}, expected {other[key]!r}"
            for key in one.keys() & other.keys()
            if abs(one[key] - other[key]) > 1e-9 * max(1.0, abs(other[key]))
        ]
    for version in found.histograms.keys() | expected.histograms.keys():
        mine, whole = (snapshot.histograms[version] for snapshot in (found, expected))
        if mine.buckets != whole.buckets or abs(mine.total - whole.total) > 1e-9 * whole.total:
            told.append(f"histogram of {version}: {mine}, expected {whole}")
    return told
