"""Bills of materials, licences, and what is said of advisories."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from distributions import audit
from distributions.bill import bill, graph, is_allowed
from distributions.split import CORE, split
from tests.support.paths import ROOT

OURS = {part.name: part for part in split(ROOT)}


@pytest.mark.parametrize("name", OURS)
def test_a_bill_is_valid_and_the_same_each_time(name: str) -> None:
    text = bill(OURS[name], OURS)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert bill(OURS[name], OURS) == text


def test_a_bill_names_all_that_is_installed_and_nothing_of_the_other_half() -> None:
    bills = {name: json.loads(bill(part, OURS)) for name, part in OURS.items()}
    found = {name: {item["name"] for item in content["components"]} for name, content in bills.items()}
    assert {"duckdb", "numpy", "markupsafe", "pydantic-core", "zstandard", CORE} <= found["mlslo-exporter"]
    assert not found["mlslo-exporter"] & {"promql-parser", "google-re2", "pytest"}
    assert {"promql-parser", "google-re2", "markupsafe", CORE} <= found["mlslo-rulegen"]
    assert not found["mlslo-rulegen"] & {"duckdb", "numpy", "scipy", "pandas", "pytest"}
    assert all(item["licenses"] and item["version"] for item in bills["mlslo"]["components"])


def test_edges_lead_to_what_a_package_requires() -> None:
    edges = graph(OURS["mlslo-rulegen"], OURS)
    assert "markupsafe" in edges["jinja2"]
    assert "pydantic-core" in edges["pydantic"]
    assert edges["markupsafe"] == []


def test_every_dependency_has_a_licence_that_we_take() -> None:
    assert audit.licences() == []


@pytest.mark.parametrize(
    "expression", ["GPL-3.0-or-later", "MIT AND AGPL-3.0-only", "LicenseRef-Proprietary", "", None]
)
def test_other_licences_are_found(expression: str | None) -> None:
    assert not is_allowed(expression)


def package(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "version": "1.0", "vulns": [], **more}


@pytest.mark.parametrize(
    ("packages", "problems", "said"),
    [
        ([package("a"), package("b")], [], "2 packages of scripts/lock.txt looked up"),
        ([package("a"), {"name": "b", "skip_reason": "not found"}], [], "1 packages looked up; not: b"),
        ([{"name": "b", "skip_reason": "not found"}], [], "skipped: no advisory service knows any package"),
        (
            [package("a", vulns=[{"id": "PYSEC-1", "fix_versions": ["1.1"]}])],
            ["a 1.0: PYSEC-1, fixed in ['1.1']"],
            "1 packages of scripts/lock.txt looked up",
        ),
    ],
)
def test_what_was_not_looked_up_is_said(packages: object, problems: list[str], said: str) -> None:
    found, words = audit.verdict(json.dumps({"dependencies": packages}), "")
    assert (found, words[: len(said)]) == (problems, said)


def test_an_audit_that_did_not_come_to_an_end_is_said() -> None:
    assert audit.verdict("", "Traceback …\nConnectionError: refused\n") == (
        [],
        "skipped: no advisory service answers (ConnectionError: refused)",
    )
