"""Play many cases at once: to real Alertmanagers, by the real clock, and to the simulation.

In the real one each case is a branch of the routing tree that only its own alerts come to, by a label of their
own, and its inhibition and silences go by that label too.
"""

from __future__ import annotations

import copy
import http.client
import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from rulegen.alertmanager.matchers import parse_all
from rulegen.simulation.alert import Alert, Labels
from tests.differential import zones
from tests.differential.cases import LENGTH, PROMETHEUS, Case
from tests.differential.webhooks import Webhooks
from tests.support.alertmanagers import Alertmanager

MARK = "case"
MAINTENANCE = 7000
# What is said this near to the end may or may not arrive before it.
MARGIN = 1500
CANARY = "canary"
BEAT = 100
# Lateness of a quiet machine, and the most that leaves something to compare; in milliseconds.
QUIET = 100
TOO_LATE = 300


@dataclass(frozen=True)
class Told:
    """One message, as both sides have it. ``time`` in milliseconds of its case."""

    time: int
    receiver: str
    index: int
    group: Labels
    firing: frozenset[Labels]
    resolved: frozenset[Labels]

    def same(self, other: Told, allowed: int) -> bool:
        return replace(self, time=0) == replace(other, time=0) and abs(self.time - other.time) <= allowed


# From, to: seconds since the epoch.
Stall = tuple[float, float]


@dataclass
class Run:
    """A batch of cases in one Alertmanager. Times in seconds since the epoch; ``start`` is that of the first case."""

    cases: Mapping[int, Case]
    start: float = 0.0
    loaded: float = 0.0
    maintained: float = 0.0
    late: dict[float, float] = field(default_factory=dict)
    beats: list[float] = field(default_factory=list)

    def phase(self, number: int) -> int:
        """Cases begin at eight different moments of a second, in milliseconds."""
        return number % 8 * 125

    def begin(self, number: int) -> float:
        return self.start + self.phase(number) / 1000

    @property
    def lateness(self) -> int:
        """How late at most a message was answered or a group looked at, in milliseconds; at least ``QUIET``."""
        stall = max((end - begin for begin, end in self.stalls), default=0)
        return max(QUIET, round(stall * 1000), round(max(self.late.values()) * 1000))

    @property
    def stalls(self) -> list[Stall]:
        """When nothing was looked at: the canary is a group that should be, ten times a second."""
        edges = [self.start, *self.beats, self.start + LENGTH / 1000]
        due = BEAT / 1000
        return [(earlier + due, later) for earlier, later in pairwise(edges) if later - earlier > 1.5 * due]


def messages(case: Case) -> list[Alert]:
    return PROMETHEUS.messages(case.firings, LENGTH, case.unreachable)


class TooSlowError(Exception):
    """The machine could not begin in time."""


class Player(Alertmanager):
    """One Alertmanager with a batch of cases."""

    def __init__(self, run: Run, folder: Path, webhooks: Webhooks, zone_files: Path) -> None:
        folder.mkdir()
        (folder / "alertmanager.yaml").write_text(json.dumps(_joined(run, webhooks.port)))
        super().__init__(folder / "alertmanager.yaml", folder)
        self._run, self._nflog = run, folder / "nflog"
        self._connection = http.client.HTTPConnection(self.address, timeout=30)
        options = [f"--data.maintenance-interval={MAINTENANCE}ms", "--web.timeout=60s"]
        self._command = ["env", f"ZONEINFO={zone_files.absolute()}", *self._command, *options]

    def reload(self) -> None:
        """Load the configuration anew, and know when: the clock that removes empty groups begins then."""
        request = urllib.request.Request(f"{self.url}/-/reload", b"")
        urllib.request.urlopen(request, timeout=30).close()
        self._run.loaded = time.time()

    def begin(self) -> None:
        """Post silences, and make ready what is posted later."""
        for number, case in self._run.cases.items():
            for matchers, begin, end in case.silences:
                self._silence(number, matchers, begin, end)
        self._due = sorted(self._posts())

    def go(self) -> None:
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def watch_maintenance(self) -> None:
        """Know when the log of notifications forgets: it is then that its file is written."""
        while not self._nflog.exists():
            time.sleep(0.05)
        self._run.maintained = self._nflog.stat().st_mtime

    def finish(self) -> None:
        self._thread.join()

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        super().__exit__()

    def _silence(self, number: int, matchers: Sequence[str], begin: int, end: int) -> None:
        parsed = [*parse_all(matchers), *parse_all([f'{MARK}="{number}"'])]
        start = self._run.begin(number)
        body = {
            "matchers": [
                {
                    "name": matcher.label,
                    "value": matcher.value,
                    "isRegex": "~" in matcher.operator,
                    "isEqual": matcher.operator.startswith("="),
                }
                for matcher in parsed
            ],
            "startsAt": _time(start + begin / 1000),
            "endsAt": _time(start + end / 1000),
            "createdBy": "test",
            "comment": "test",
        }
        self._post_json("/api/v2/silences", json.dumps(body).encode())

    def _post_json(self, path: str, body: bytes) -> None:
        self._connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status

    def _posts(self) -> Iterator[tuple[float, bytes]]:
        """When, and what: the messages that are due at the same moment go together."""
        due: dict[float, list[dict[str, Any]]] = {}
        for number, case in self._run.cases.items():
            start = self._run.begin(number)
            for message in messages(case):
                posted = {
                    "labels": {**message.labels, MARK: str(number)},
                    "startsAt": _time(start + message.starts / 1000),
                    "endsAt": _time(start + message.ends / 1000),
                }
                due.setdefault(start + message.updated / 1000, []).append(posted)
        start = self._run.start
        canary = {"labels": {MARK: CANARY}, "startsAt": _time(start), "endsAt": _time(start + 600)}
        due.setdefault(start - 1, []).append(canary)
        for moment, posts in due.items():
            yield moment, json.dumps(posts).encode()

    def _send(self) -> None:
        for moment, body in self._due:
            time.sleep(max(0.0, moment - time.time()))
            self._post_json("/api/v2/alerts", body)
            self._run.late[moment] = time.time() - moment


def _time(moment: float) -> str:
    return datetime.fromtimestamp(round(moment, 3), UTC).isoformat(timespec="milliseconds")


def _joined(run: Run, port: int) -> dict[str, Any]:
    """One configuration for all cases."""
    canary = {
        "receiver": CANARY,
        "matchers": [f'{MARK}="{CANARY}"'],
        "group_wait": "0s",
        "group_interval": f"{BEAT}ms",
        "repeat_interval": "1ms",
    }
    url = f"http://127.0.0.1:{port}"
    joined: dict[str, Any] = {
        "route": {"receiver": "nobody", "routes": [canary]},
        "receivers": [
            {"name": "nobody"},
            {"name": CANARY, "webhook_configs": [{"url": f"{url}/{CANARY}/{id(run)}/0"}]},
        ],
        "inhibit_rules": [],
        "time_intervals": [],
    }
    for number, case in run.cases.items():
        own = copy.deepcopy(case.configuration)
        mark = f'{MARK}="{number}"'
        _rename(own["route"], f"{number}-")
        joined["route"]["routes"].append({**own["route"], "matchers": [mark]})
        for rule in own.get("inhibit_rules", []):
            sides = {side: [mark, *rule[side]] for side in ("source_matchers", "target_matchers")}
            joined["inhibit_rules"].append({**rule, **sides})
        for receiver in own["receivers"]:
            for index, config in enumerate(receiver["webhook_configs"]):
                config["url"] = f"{url}/{number}/{receiver['name']}/{index}"
            joined["receivers"].append({**receiver, "name": f"{number}-{receiver['name']}"})
        for item in own.get("time_intervals", []):
            joined["time_intervals"].append({**item, "name": f"{number}-{item['name']}"})
    return joined


def _rename(route: dict[str, Any], prefix: str) -> None:
    if "receiver" in route:
        route["receiver"] = prefix + route["receiver"]
    for key in ("mute_time_intervals", "active_time_intervals"):
        if key in route:
            route[key] = [prefix + name for name in route[key]]
    for child in route.get("routes", []):
        _rename(child, prefix)


@contextmanager
def _preferred(nice: int = -15) -> Iterator[None]:
    """Before others on a busy machine, where that is allowed: threads and processes that begin now are, too."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


@contextmanager
def playing(runs: Sequence[Run], folder: Path, webhooks: Webhooks, zone_files: Path) -> Iterator[None]:
    """Alerts are sent while the block runs; after it everything has been sent and answered."""
    with ExitStack() as stack:
        stack.enter_context(_preferred())
        players = [
            stack.enter_context(Player(run, folder / f"alertmanager-{index}", webhooks, zone_files))
            for index, run in enumerate(runs)
        ]
        _start(players, runs, zone_files)
        # What is calculated meanwhile must not keep the threads waiting that send and receive.
        switching = sys.getswitchinterval()
        stack.callback(sys.setswitchinterval, switching)
        sys.setswitchinterval(0.0005)
        for player in players:
            player.watch_maintenance()
        with _preferred(0):
            yield
        for player in players:
            player.finish()
        time.sleep(max(0.0, runs[0].start + LENGTH / 1000 + 1 - time.time()))


def _start(players: Sequence[Player], runs: Sequence[Run], zone_files: Path) -> None:
    """Choose the moment that the clocks of the zones are set by, as soon as the machine can keep it."""
    for lead in (5, 10, 20):
        start = int(time.time()) + 1 + lead
        zones.write(zone_files, start)
        for run in runs:
            run.start = float(start)
        for player in players:
            player.reload()
        if time.time() < start - 3 * lead / 4:
            break
    for player in players:
        player.begin()
    if time.time() > runs[0].start - 1:
        raise TooSlowError
    for player in players:
        player.go()
