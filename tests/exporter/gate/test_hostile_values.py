"""Values of a batch and names of files that somebody chose to mislead: they stay text."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from examples.standins import Standins
from exporter.gate.audit import append
from exporter.gate.notify import SlackReceiver
from exporter.gate.verdict import Check, Verdict, cut
from mlslo.yamlfile import InputError


def verdict(*data: str, where: str = "batch") -> Verdict:
    check = Check(what="drift", where=where, expected="1", found="2", passed=False, source="reference r")
    return Verdict(
        mlslo="0",
        model="orders",
        time="2026-01-01T00:00:00+00:00",
        data=[*data],
        hash="0" * 64,
        rows=2,
        verdict="failed",
        checks=[check],
        notJudged=[],
    )


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0.csv", "+1.csv", "-1.csv", "@a.csv", "\t=1.csv"], ids=list("=+-@t")
)
def test_a_spreadsheet_evaluates_no_name_of_a_file(tmp_path: Path, name: str) -> None:
    append(tmp_path / "results.csv", verdict(name, "b.csv"))
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["data"] == f"./{name} b.csv"


def test_a_version_adds_no_line_to_a_message(tmp_path: Path) -> None:
    routing = {
        "kind": "AlertRouting",
        "spec": {"receivers": {"team": {"slack_configs": [{"api_url_file": "slack"}]}}},
    }
    (tmp_path / "routing.yaml").write_text(json.dumps(routing))
    with Standins() as standins:
        (tmp_path / "slack").write_text(standins.slack_url)
        receiver = SlackReceiver(tmp_path / "routing.yaml", "team")
        assert receiver.send(verdict("a.csv", where="age of version 1\n*all is well*")) == []
    (message,) = standins.deliveries
    assert message.payload["text"].splitlines()[1:] == [
        "• drift, age of version 1 *all is well*: expected 1, found 2"
    ]


def test_an_address_in_the_wrong_place_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "routing.yaml"
    spec = {"receivers": {"team": {"slack_configs": "https://hooks.example.org/SECRET"}}}
    path.write_text(json.dumps({"kind": "AlertRouting", "spec": spec}))
    with pytest.raises(InputError, match="expected a list") as refused:
        SlackReceiver(path, "team")
    assert "SECRET" not in str(refused.value)


def test_of_a_long_value_the_beginning_is_read() -> None:
    class Long(str):
        __slots__ = ()

        def __iter__(self) -> Any:
            raise AssertionError("all of it is read")

    class Value:
        def __str__(self) -> str:
            return Long("x" * 100)

    assert cut(Value()) == "x" * 39 + "…"
