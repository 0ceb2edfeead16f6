"""docs/push.md: its monitor files are taken, its commands typed, and events are counted as it says."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.inbox.inbox import MOST_REMEMBERED
from exporter.web.push import body, connection, events, otlp
from mlslo.catalogue import METRICS
from mlslo.monitor import PushSink
from tests.exporter.push.test_daemon import daemon
from tests.support.commands import exporter
from tests.support.paths import ROOT
from tests.support.pushing import JSON, post
from tests.support.servers import free_port
from tests.support.sessions import Command, blocks, play, typed

PAGE = (ROOT / "docs/push.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    files = {block.file: block.text for block in blocks(PAGE) if block.file}
    assert set(files) == {"fraud.yaml", "kserve.yaml", "otlp.yaml"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    port = free_port()
    session = [
        Command(command.text.replace(":9848", f":{port}"), command.expected) for command in typed(PAGE)
    ]
    now = datetime.now(UTC)
    with daemon(tmp_path, port, files=list(files)):
        play(session, tmp_path, dict(os.environ))
        prediction = json.dumps({"id": "a", "score": 0.5, "features": {"amount": 1}})
        scope = {"name": "fraud.predictions"}
        record = {"timeUnixNano": f"{now.timestamp():.0f}000000000", "body": {"stringValue": prediction}}
        other = {"scope": {"name": "another"}, "logRecords": [record]}
        logs = {"resourceLogs": [{"scopeLogs": [{"scope": scope, "logRecords": [record]}, other]}]}
        assert post(port, "/fraud-otlp/v1/logs", json.dumps(logs).encode(), JSON).status == 200
        for kind, data in (("request", {"instances": [[41, 120.5]]}), ("response", {"predictions": [0.7]})):
            headers = {
                "ce-specversion": "1.0",
                "ce-id": "1",
                "ce-source": "http://localhost:9081/",
                "ce-type": f"org.kubeflow.serving.inference.{kind}",
                "ce-time": now.isoformat(),
            }
            answer = post(port, "/fraud-kserve", json.dumps(data).encode(), {**headers, **JSON})
            assert answer.status == 200, answer.text
    for name in files:
        page = exporter("once", tmp_path / name, "--state-dir", tmp_path / "state").stdout
        assert re.search(r"^ml_predictions_total\{.*\} 1\.0$", page, re.MULTILINE), (name, page)


def test_its_limits_are_those_of_the_code() -> None:
    assert f"{MOST_REMEMBERED:,}" in PAGE
    assert f"more than {body.MOST_BYTES >> 20} MiB" in PAGE
    assert f"within {connection.REQUEST_WITHIN:g} seconds" in PAGE
    assert f"more than {connection.MOST_CONNECTIONS} connections" in PAGE
    assert f"{PushSink.model_fields['maxBytes'].default >> 30} GiB" in PAGE
    for kind in (events.STRUCTURED, events.BATCH, events.LINES[0], otlp.PROTOBUF, otlp.JSON):
        assert f"`{kind}`" in PAGE
    assert {name for name in METRICS if name.startswith("ml_push_")} == set(re.findall(r"ml_push_\w+", PAGE))
