"""The demo's own parts: what it divides, what it plays, and how it ends. `test_example_showing` runs it."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pydantic
import pytest
import yaml

from examples.demo import compress
from examples.demo.player import Player
from examples.demo.processes import ChildError, Children
from mlslo.actions import ActionsFile
from mlslo.monitor import MonitorFile
from mlslo.yamlfile import Duration
from rulegen.spec.model_slo import ModelSloFile
from rulegen.spec.routing import RoutingFile
from tests.support.paths import DIABETES


def duration_keys(annotation: Any, seen: set[Any]) -> Iterator[str]:
    """The keys of every duration in a file's model."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        if annotation in seen:
            return
        seen.add(annotation)
        for name, field in annotation.model_fields.items():
            if Duration in parts(field.annotation):
                yield field.alias or name
            yield from duration_keys(field.annotation, seen)
    for part in get_args(annotation):
        yield from duration_keys(part, seen)


def parts(annotation: Any) -> set[Any]:
    return {annotation}.union(*(parts(part) for part in get_args(annotation)))


@pytest.mark.parametrize("file", [MonitorFile, ModelSloFile, RoutingFile, ActionsFile])
def test_every_duration_of_the_file_formats_is_known_as_a_span_or_a_measurement(file: Any) -> None:
    found = set(duration_keys(file, set()))
    assert found
    assert found <= compress.SPANS | compress.MEASUREMENTS


def test_spans_are_divided_and_measurements_are_not() -> None:
    slo = compress.slo(DIABETES / "slo.yaml", 60)
    promises = {promise["name"]: promise for promise in slo["spec"]["slos"]}
    assert promises["latency"]["sli"] == {"latency": {"below": "250ms"}}
    assert promises["latency"]["timeWindow"] == "12h"
    assert promises["latency"]["alerting"]["windows"][0] == {
        "factor": 14.4, "short": "5s", "long": "1m", "burn": "fast",
    }  # fmt: skip
    assert promises["collapse"]["sli"]["gauge"]["window"] == "30s"
    monitor = compress.monitor(DIABETES / "monitor.yaml", 60)
    assert monitor["spec"]["windows"] == ["30s", "2m"]
    assert compress.monitor(DIABETES / "monitor.yaml", 600)["spec"]["schedule"] == "500ms"


def test_what_the_slo_names_is_in_the_monitor_whatever_the_factor() -> None:
    for factor in (60, 91.837, 173.1):
        windows = compress.monitor(DIABETES / "monitor.yaml", factor)["spec"]["windows"]
        for promise in compress.slo(DIABETES / "slo.yaml", factor)["spec"]["slos"]:
            if "gauge" in promise["sli"]:
                assert promise["sli"]["gauge"]["window"] in windows


def test_receivers_send_to_this_machine_and_nothing_waits_for_office_hours(tmp_path: Path) -> None:
    urls = {
        "pagerduty_configs": "http://127.0.0.1:1/page",
        "webhook_configs": "http://127.0.0.1:1/ping",
        "actions": "http://127.0.0.1:1/alerts",
    }
    routing = compress.routing(DIABETES / "routing.yaml", 60, urls, tmp_path)
    compress.write(routing, tmp_path / "routing.yaml")
    text = (tmp_path / "routing.yaml").read_text()
    assert yaml.safe_load(text) == routing
    assert "office-hours" not in text
    assert "/etc/" not in text
    assert "dead-mans-switch.monitoring" not in text
    assert "mlslo-act.monitoring" not in text


def logged(played: Path, name: str = "predictions.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (played / name).read_text().splitlines()]


def wait_for(seen: Callable[[], bool]) -> None:
    for _ in range(300):
        if seen():
            return
        time.sleep(0.1)
    raise AssertionError("not seen within half a minute")


def play(played: Path, factor: float, minute: float, until: str) -> list[dict[str, Any]]:
    """The predictions that are played from `minute` of the story on, until `until` is among the ids."""
    player = Player(DIABETES / "logs", played, factor, time.time() - minute * 60 / factor)
    player.start()
    try:
        for _ in range(100):
            records = [json.loads(line) for line in (played / "predictions.jsonl").read_text().splitlines()]
            if any(record["request_id"].endswith(until) for record in records):
                return records
            time.sleep(0.1)
    finally:
        player.stop()
    raise AssertionError(f"nothing ends in {until!r}: {records[-1]['request_id']}")


def test_history_is_there_at_once_and_no_record_is_of_the_future(tmp_path: Path) -> None:
    records = play(tmp_path, factor=100, minute=0, until="p01500")
    times = [datetime.fromisoformat(record["ts"]) for record in records]
    assert times == sorted(times)
    assert times[-1].timestamp() <= time.time()
    # Two hours of history are 72 s here.
    assert 70 < (times[-1] - times[0]).total_seconds() < 80


def test_the_repaired_model_goes_on_under_new_ids(tmp_path: Path) -> None:
    records = play(tmp_path, factor=2000, minute=148, until="-1")
    ids = [record["request_id"] for record in records]
    assert len(ids) == len(set(ids))
    assert {record["model_version"] for record in records if record["request_id"].endswith("-1")} == {"1.1.1"}


def test_a_deployment_begins_the_last_chapter_at_once(tmp_path: Path) -> None:
    player = Player(DIABETES / "logs", tmp_path, 20, time.time() - 80 * 60 / 20)
    player.start()
    try:
        expected = player.moment(90)
        player.deploy()
        deployed = player.moment(90)
        player.deploy()
        assert player.moment(90) == deployed < expected
        wait_for(lambda: any(record["model_version"] == "1.1.1" for record in logged(tmp_path)))
    finally:
        player.stop()
    records = logged(tmp_path)
    versions = [record["model_version"] for record in records]
    assert versions == sorted(versions)
    assert all(
        datetime.fromisoformat(record["ts"]).timestamp() >= deployed - 0.001
        for record in records
        if record["model_version"] == "1.1.1"
    )
    labelled = {record["request_id"] for record in logged(tmp_path, "labels.jsonl")}
    assert labelled <= {record["request_id"] for record in records}


def test_a_program_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("rocket", ["sh", "-c", "echo out of fuel; exit 3"])
        with pytest.raises(ChildError, match=r"rocket ended with exit code 3; .*\n  out of fuel"):
            children.wait_ready("rocket", "http://127.0.0.1:9/")


def test_a_program_that_will_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.demo.processes._PATIENCE", 0.3)
    with Children(tmp_path) as children:
        children.start("stubborn", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"])
        while "ready" not in (tmp_path / "stubborn.log").read_text():
            time.sleep(0.02)
        process = children._running["stubborn"]
    assert process.returncode == -9
