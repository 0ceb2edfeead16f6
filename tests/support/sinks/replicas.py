"""Replicas of the exporter that share a topic, killed while they read it; then counts and joins, summed over them."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import random
import signal
import sys
import time
import warnings
from collections import Counter
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from exporter.daemon.models import load_all
from exporter.sinks.kafka import sink as kafka_sink
from exporter.sinks.kafka.claims import commit
from tests.support import commands  # noqa: F401 - what its processes are forked from
from tests.support.logs import monitor, write_monitor
from tests.support.sinks.kafka import Brokers

_FORKING = multiprocessing.get_context("forkserver")
_PARTITIONS = 4
_PATIENCE = 60.0
_PAUSED = 3.0
_OPTIONS = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 200}


def read_as_replica(path: Path, state: Path, errors: Path, seed: int) -> None:
    """Run cycles for ever, as a process of its own does; most of them kill themselves around a claim."""
    with errors.open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    faulthandler.enable()
    warnings.simplefilter("error")
    chosen = random.Random(seed)
    moment, claims = chosen.choice(["before", "after", "after", "never"]), chosen.randint(1, 3)

    def killed(*arguments: Any) -> bool:
        nonlocal claims
        claims -= 1
        if moment == "before" and not claims:
            # Some claims arrive although nobody is there any more to hear of it.
            signal.setitimer(signal.ITIMER_REAL, chosen.uniform(0, 0.002))
        taken = commit(*arguments)
        if moment == "after" and not claims:
            os.kill(os.getpid(), signal.SIGKILL)
        return taken

    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    setattr(kafka_sink, "commit", killed)  # noqa: B010
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    with closing(load_all([path])[0].open(state)) as cycle:
        while not stopped:
            cycle.run(stopped=lambda: stopped)
            time.sleep(0.05)


class Fleet:
    """Replicas by number, each with a state of its own, and what was logged."""

    def __init__(self, folder: Path, replicas: int = 3, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._folder = folder
        self._brokers = Brokers()
        for topic in ("predictions", "labels"):
            self._brokers.create(topic)
        self._processes: list[BaseProcess | None] = [None] * replicas
        self._again = [0.0] * replicas
        self._logged = self._labelled = 0
        self.events = Counter[str]()
        content = monitor(
            predictions={
                **monitor()["spec"]["predictions"],
                "sink": {"kafka": self._sink("predictions", group="mlslo", options=_OPTIONS)},
            },
            labels={**monitor()["spec"]["labels"], "sink": {"kafka": self._sink("labels", partitions="all")}},
        )
        self._monitor = write_monitor(folder, content)

    def live(self, kills: int, seconds: float) -> None:
        """Log, kill and begin replicas again, until so many were killed. Raises AssertionError past ``seconds``."""
        until = time.monotonic() + seconds
        while self.events["killed"] < kills:
            assert time.monotonic() < until, self.events
            self._log()
            for number, process in enumerate(self._processes):
                if process is None:
                    if time.monotonic() > self._again[number]:
                        self._start(number)
                elif not process.is_alive():
                    self._ended(number)
            if self._random.random() < 0.06:
                self._act(self._random.randrange(len(self._processes)))
            time.sleep(0.05)
        self._label(self._logged)

    def counted(self) -> tuple[Counter[str], Counter[tuple[str, str]]]:
        """Have each replica come back once more; return predictions by replica, and joined ones by confusion."""
        for process in self._processes:
            if process is not None:
                process.kill()
                process.join()
        predictions, confusion = Counter[str](), Counter[tuple[str, str]]()
        for number in range(len(self._processes)):
            with closing(load_all([self._monitor])[0].open(self._state(number))) as cycle:
                until = time.monotonic() + _PATIENCE
                while (snapshot := cycle.run()) is None or cycle._readers["predictions"].lag() != 0:
                    assert time.monotonic() < until, "a replica got no partitions"
                snapshot = cycle.run()
                assert snapshot is not None
            if total := int(sum(value for _, value in snapshot.having("ml_predictions_total"))):
                predictions[f"replica {number}"] = total
                (coverage,) = (value for _, value in snapshot.having("ml_label_coverage_ratio", segment=""))
                for labels, ratio in snapshot.having("ml_model_confusion_ratio", segment=""):
                    joined = ratio * coverage * total
                    assert abs(joined - round(joined)) < 1e-6, joined
                    confusion[labels["actual"], labels["predicted"]] += round(joined)
        return predictions, +confusion

    def expected(self) -> Counter[tuple[str, str]]:
        """Return how many predictions were logged, by label and prediction."""
        return Counter((str(number % 7 % 2), str(number % 5 % 2)) for number in range(self._logged))

    def close(self) -> None:
        for process in self._processes:
            if process is not None:
                process.kill()
                process.join()
        self._brokers.close()

    def _sink(self, topic: str, **more: Any) -> dict[str, Any]:
        return {"brokers": [self._brokers.addresses], "topic": topic, **more}

    def _log(self) -> None:
        records = []
        for number in range(self._logged, self._logged + self._random.randint(1, 30)):
            records.append(
                {
                    "ts": time.time(),
                    "id": f"r{number}",
                    "version": "v1",
                    "status": 200,
                    "latency_ms": 20.0,
                    "score": number % 5 % 2 * 0.5 + 0.25,
                    "prediction": number % 5 % 2,
                    "features": {"amount": 1.0, "country": "DE"},
                }
            )
        self._logged += len(records)
        self._send("predictions", records)
        if self._random.random() < 0.3:
            self._label(self._random.randint(self._labelled, self._logged))

    def _label(self, until: int) -> None:
        numbers = range(self._labelled, until)
        self._labelled = until
        self._send("labels", [{"id": f"r{n}", "label": n % 7 % 2, "ts": time.time()} for n in numbers])

    def _send(self, topic: str, records: list[dict[str, Any]]) -> None:
        if records:
            values = [json.dumps(item).encode() for item in records]
            self._brokers.send(topic, values, self._random.randrange(_PARTITIONS))

    def _act(self, number: int) -> None:
        """Kill, stop or suspend a replica; one that is suspended finds that others have its partitions."""
        process = self._processes[number]
        if process is None or process.pid is None:
            return
        match self._random.choice(["kill", "kill", "kill", "stop", "suspend"]):
            case "kill":
                process.kill()
                process.join()
                self._ended(number)
            case "stop":
                process.terminate()
                process.join(_PATIENCE)
                # It may have killed itself before it stopped, or not have begun.
                self._ended(number, 0, -signal.SIGTERM)
            case "suspend":
                os.kill(process.pid, signal.SIGSTOP)
                self._log()
                time.sleep(_PAUSED)
                os.kill(process.pid, signal.SIGCONT)
                self.events["suspended"] += 1

    def _ended(self, number: int, *stopped: int) -> None:
        """Note how a replica ended. ``stopped``: exit codes of one that was stopped.

        The mock cluster names members by their addresses, so a new one may get the name of the leader, and an empty
        list of members with it: librdkafka's sticky assignor then reads from NULL. No broker does so. It happens in
        threads that block all signals, so nothing is written; counts must bear it as any other kill.
        """
        process, self._processes[number] = self._processes[number], None
        assert process is not None
        code, said = process.exitcode, self._errors(number).read_text()
        if code in stopped:
            how = "stopped"
        elif code == -signal.SIGSEGV and not said:
            how = "crashed"
        else:
            assert code == -signal.SIGKILL, (code, said)
            how = "killed"
        self._again[number] = time.monotonic() + self._random.choice([0.0, 0.0, 1.0, 3.0])
        self.events[how] += 1

    def _start(self, number: int) -> None:
        self._errors(number).touch()
        self._processes[number] = process = _FORKING.Process(
            target=read_as_replica,
            args=(self._monitor, self._state(number), self._errors(number), self._random.getrandbits(32)),
        )
        process.start()

    def _state(self, number: int) -> Path:
        return self._folder / f"replica-{number}"

    def _errors(self, number: int) -> Path:
        return self._folder / f"replica-{number}.log"
