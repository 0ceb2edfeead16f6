"""`mlslo-rulegen silence` against a real Alertmanager, which amtool asks afterwards."""

from __future__ import annotations

import getpass
import json
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from rulegen.cli import main
from tests.support.alertmanagers import Alertmanager
from tests.support.paths import CONTRACT
from tests.support.servers import free_port
from tests.support.tools import tool

pytestmark = [pytest.mark.chain, pytest.mark.xdist_group("silences")]

DATA = ["--model", "fraud", "--layer", "data", "--for", "2h", "--comment", "retraining"]
# bcrypt of "s3cret", at the least cost.
HASHED = "$2b$04$nfFWMV6XGUVZDGaZ0wISzORqbhFkHxZBLEhRyS4BncCsX2zAcvwVi"


def silence(*options: object) -> Result:
    specs = [str(CONTRACT / "fraud.slo.yaml"), str(CONTRACT / "routing.yaml")]
    return CliRunner().invoke(main, ["silence", *specs, *map(str, options)])


def started(folder: Path, web: Path | None = None) -> Alertmanager:
    configuration = folder / "alertmanager.yaml"
    configuration.write_text(yaml.safe_dump({"route": {"receiver": "all"}, "receivers": [{"name": "all"}]}))
    return Alertmanager(configuration, folder, web)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with started(tmp_path_factory.mktemp("alertmanager")) as server:
        yield server


def amtool(server: Alertmanager, *arguments: str) -> Any:
    command = [str(tool("amtool")), f"--alertmanager.url={server.url}", "-o", "json", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout or "null")


def test_amtool_sees_the_silence_and_can_end_it(server: Alertmanager) -> None:
    result = silence(*DATA, "--alertmanager", f"{server.url}/")
    assert (result.exit_code, result.stderr) == (0, "")
    first, second, *covered, last = result.stdout.splitlines()
    (found,) = amtool(server, "silence", "query")
    assert found["id"] in first
    assert found["createdBy"] == getpass.getuser()
    assert found["comment"] == "retraining"
    assert {(one["name"], one["value"], one["isRegex"], one["isEqual"]) for one in found["matchers"]} == {
        ("model", "fraud", False, True),
        ("layer", "data", False, True),
    }
    start, end = (datetime.fromisoformat(found[key]) for key in ("startsAt", "endsAt"))
    assert 7190 < (end - start).total_seconds() <= 7200
    assert f"{end:%a %d %b %Y %H:%M:%S UTC}" in first
    assert second == f"it holds back {len(covered)} alerts:"
    assert covered == [
        "  P2 feature-drift FeaturesDrifting",
        "  P3 feature-drift FeatureDrift",
        "  P2 feature-drift SLONoData",
        "  P2 nulls FeatureMissing",
        "  P2 nulls SLONoData",
    ]

    # Alertmanager itself holds back what was listed, and nothing else.
    drift = {"alertname": "FeatureDrift", "model": "fraud", "slo": "feature-drift", "layer": "data"}
    traffic = {"alertname": "NoPredictions", "model": "fraud", "slo": "traffic", "layer": "service"}
    server.fire({"labels": drift}, {"labels": traffic})
    held = {alert["labels"]["alertname"]: alert["status"]["silencedBy"] for alert in server.alerts()}
    assert held == {"FeatureDrift": [found["id"]], "NoPredictions": []}

    command = last.removeprefix("to end it earlier: amtool ").split()
    subprocess.run([tool("amtool"), *command], check=True, timeout=60)
    assert amtool(server, "silence", "query") == []


def test_a_silence_that_nobody_wakes_for_is_pointed_out(server: Alertmanager) -> None:
    options = ["--model", "fraud", "--slo", "traffic", "--for", "10m", "--comment", "x", "--author", "me"]
    result = silence(*options, "--alertmanager", server.url)
    assert result.exit_code == 0
    assert result.stderr == "warning: P1 is among them, nobody is woken for NoPredictions\n"
    (found,) = amtool(server, "silence", "query")
    assert found["createdBy"] == "me"
    amtool(server, "silence", "expire", found["id"])
    quiet = silence(*options, "--tier", "P2", "--dry-run", "--alertmanager", server.url)
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert quiet.stdout.startswith("silence not made: ")
    assert amtool(server, "silence", "query") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "frod"], "--model: no alert has the model 'frod', expected one of fraud; did you mean 'fraud'?"),
        (
            ["--model", "fraud", "--layer", "dada"],
            "--layer: no alert of model fraud has the layer 'dada', "
            "expected one of service, data, prediction, outcome, meta; did you mean 'data'?",
        ),
        (
            ["--model", "fraud", "--layer", "data", "--slo", "traffic"],
            "--slo: no alert of model fraud of layer data has the slo 'traffic', expected one of feature-drift, nulls",
        ),
        (
            ["--model", "fraud", "--alertmanager", "localhost:9093"],
            "--alertmanager: expected an address such as http://localhost:9093, got 'localhost:9093'",
        ),
        (
            ["--model", "fraud", "--alertmanager", "http://[::1"],
            "--alertmanager: expected an address such as http://localhost:9093, got 'http://[::1'",
        ),
        (
            ["--model", "fraud", "--alertmanager", "http://localhost:99093"],
            "--alertmanager: expected an address such as http://localhost:9093, got 'http://localhost:99093'",
        ),
        (
            ["--model", "fraud", "--alertmanager", "http://me:secret@localhost:9093"],
            "--alertmanager: a literal secret: the address holds a password; use --basic-auth-file",
        ),
    ],
)  # fmt: skip
def test_what_is_not_in_the_specs_is_refused(options: list[str], said: str) -> None:
    result = silence(*options, "--for", "2h", "--comment", "x")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{said}\n")


def test_a_length_that_is_none_is_refused() -> None:
    result = silence("--model", "fraud", "--for", "2x", "--comment", "x")
    assert result.exit_code == 2
    assert "expected a duration such as 30s, 5m, 1h or 7d, got '2x'" in result.stderr


def test_an_alertmanager_that_is_not_there(server: Alertmanager) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = silence(*DATA, "--alertmanager", url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{url}/api/v2/silences: cannot be reached: ")
    result = silence(*DATA, "--alertmanager", f"{server.url}/elsewhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "refused with 404 Not Found" in result.stderr
    result = silence(*DATA, "--alertmanager", server.url, "--for", "1ms")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "refused with 400 Bad Request" in result.stderr


def test_an_alertmanager_that_wants_a_password(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(yaml.safe_dump({"basic_auth_users": {"me": HASHED}}))
    (tmp_path / "right").write_text("me:s3cret\n")
    (tmp_path / "wrong").write_text("me:other\n")
    (tmp_path / "none").write_text("s3cret\n")
    with started(tmp_path, web=tmp_path / "web.yaml") as server:
        for options in ([], ["--basic-auth-file", tmp_path / "wrong"]):
            result = silence(*DATA, "--alertmanager", server.url, *options)
            assert result.exit_code == 1
            assert "refused with 401 Unauthorized; it wants a user and a password" in result.stderr
        result = silence(*DATA, "--alertmanager", server.url, "--basic-auth-file", tmp_path / "right")
        assert (result.exit_code, result.stderr) == (0, "")
    result = silence(*DATA, "--basic-auth-file", tmp_path / "none")
    assert (result.exit_code, result.stderr) == (
        2,
        f"{tmp_path / 'none'}: expected one line, user:password\n",
    )
    result = silence(*DATA, "--basic-auth-file", tmp_path / "missing")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
