"""`check` names the right path where that of a monitor file is wrong; `test_init` has it read each format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.formats.catalogue import FORMATS, requests_of
from tests.formats.test_figures import DOCUMENTED
from tests.support.commands import exporter
from tests.support.logs import monitor, write_monitor

pytestmark = pytest.mark.slow


def check(folder: Path, name: str, predictions: dict[str, Any]) -> tuple[int, str]:
    format_ = FORMATS[name]
    (folder / "log.jsonl").write_bytes(format_.write(requests_of(format_)))
    types = {name: {"type": "categorical" if name == "region" else "numeric"} for name in format_.features}
    content = monitor(labels=None, features=types)
    content["spec"]["predictions"] = {"sink": {"file": {"path": "log.jsonl"}}, **predictions}
    done = exporter("check", write_monitor(folder, content), check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("kserve-v1", {"score": "response.data.prediction.*"}, "there is 'response.data.predictions.*'"),
        ("kserve-v1", {"timestamp": "request.data.time"}, ", 'request.time'"),
        ("kserve-v2", {"features": "request.data.input.*"}, "'request.data.inputs.*'"),
        ("seldon-ndarray", {"id": "request.requestId"}, "there is 'request.requestid'"),
        ("databricks-records", {"score": "response.prediction.*"}, "there is 'response.predictions.*'"),
        ("databricks-split", {"status": "statuscode"}, "there is 'status_code'"),
        ("batches", {"score": "scores.*"}, "nothing at 'scores.*' in"),
        ("json-text", {"score": "response.scores"}, "there is 'response.score'"),
    ],
)
def test_a_wrong_path_is_told_with_the_right_one(
    name: str, fields: dict[str, Any], said: str, tmp_path: Path
) -> None:
    documented = DOCUMENTED[name]
    predictions = {**documented, "fields": {**documented.get("fields", {}), **fields}}
    code, output = check(tmp_path, name, predictions)
    assert said in output
    assert code == (1 if {"score", "features", "timestamp"} & fields.keys() else 0), output
