"""Kill the exporter while predictions and labels grow in two logs of one kind; then recount both from files."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.endurance import differences
from tests.support.commands import start
from tests.support.logs import monitor, once, record, write_lines, write_monitor
from tests.support.sinks import SinkServer

_LATE = 0.25
_LONGEST = 1.0
_MINUTE = 60.0
_REJECTED = "ml_sink_rejected_records_total"


class Joins:
    """An application that logs to two servers, and an exporter that is killed. ``outcomes``: labels of predictions."""

    def __init__(self, predictions: SinkServer, labels: SinkServer, folder: Path, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._servers = {"predictions": predictions, "labels": labels}
        self._truth = folder / "truth"
        self._truth.mkdir(parents=True)
        self._state, self._errors = folder / "state", folder / "stderr"
        spec: dict[str, Any] = {
            "schedule": "50ms",
            "segments": ["features.country"],
            "metrics": {"include": ["ml_*"], "segments": ["ml_*"]},
        }
        self._recounted = write_monitor(self._truth, monitor(**spec))
        content = monitor(**spec)
        for name, server in self._servers.items():
            content["spec"][name]["sink"] = server.sink()
            os.environ.update(server.environment())
        self._monitor = write_monitor(folder, content)
        self._unlabelled: list[int] = []
        self.records = self.outcomes = 0
        self._grow()

    def kill(self) -> None:
        """Run an exporter, and kill it at a random moment. Raises AssertionError where it ends by itself."""
        self._errors.write_bytes(b"")
        options = ["--web.listen-address", "127.0.0.1:0", "--state-dir", self._state]
        process = start("run", self._monitor, *options, errors=self._errors)
        try:
            # Some are killed while they start, the others while they read.
            if self._random.random() < 0.8:
                self._await(process)
            until = time.monotonic() + self._random.uniform(0, _LONGEST)
            while time.monotonic() < until:
                self._grow()
                time.sleep(self._random.uniform(0, 0.03))
        finally:
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL, self._errors.read_text()

    def recount(self) -> None:
        """Compare all gauges with those of the same records in files. Raises AssertionError where one differs."""
        if self._unlabelled:
            self._label(len(self._unlabelled))
        at = datetime.fromtimestamp(int(time.time()) + 1, UTC).isoformat().replace("+00:00", "Z")
        found = once(self._monitor, "--state-dir", self._state, at=at)
        expected = once(self._recounted, at=at)
        for gauges in (found, expected):
            # Each kind of sink has reasons of its own.
            gauges[_REJECTED] = [(labels, count) for labels, count in gauges[_REJECTED] if count]
        different = list(differences(found, expected))
        assert not different, "\n".join(different)
        counted = sum(count for _, count in found["ml_predictions_total"])
        assert counted == self.records, f"{counted} of {self.records} predictions"
        # Each prediction has its outcome, and no label is left over.
        assert all(ratio == 1.0 for _, ratio in found["ml_label_coverage_ratio"])

    def _await(self, process: BaseProcess) -> None:
        until = time.monotonic() + _MINUTE
        while b"/metrics" not in self._errors.read_bytes():
            assert process.is_alive(), self._errors.read_text()
            assert time.monotonic() < until, "an exporter did not begin to serve"
            time.sleep(0.01)

    def _grow(self) -> None:
        if self._random.random() < 0.5 or not self._unlabelled:
            self._predict(self._random.randint(1, 40))
        else:
            self._label(self._random.randint(1, min(40, len(self._unlabelled))))

    def _predict(self, number: int) -> None:
        made = [self._record(self.records + index) for index in range(number)]
        self._unlabelled += range(self.records, self.records + number)
        self.records += number
        self._append("predictions", made)

    def _label(self, number: int) -> None:
        # In no order: a label's prediction may be long read, or not yet.
        self._random.shuffle(self._unlabelled)
        chosen, self._unlabelled = self._unlabelled[:number], self._unlabelled[number:]
        self.outcomes += number
        now = time.time()
        self._append("labels", [{"id": f"r{each}", "label": each % 7 % 2, "ts": now} for each in chosen])

    def _record(self, number: int) -> dict[str, Any]:
        chosen = random.Random(number)
        score = chosen.random()
        country = f"{number % 20:02}"
        made = record(number, at=0.0, score=score, prediction=int(score > 0.5))
        return {**made, "ts": time.time(), "features": {"amount": chosen.gauss(9, 2), "country": country}}

    def _append(self, name: str, records: Sequence[dict[str, Any]]) -> None:
        late = self._random.random() < _LATE
        self._servers[name].append([json.dumps(each).encode() for each in records], late=late)
        write_lines(self._truth / "logs" / f"{name}.jsonl", records)
