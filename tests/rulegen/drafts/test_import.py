"""`import` carries over what a ModelSLO file can say, and names all the rest with its place."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from rulegen.cli import main
from rulegen.drafts import openslo
from rulegen.drafts.carried_over import Source, sources
from tests.support.tools import tool

HERE = Path(__file__).parent


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def imported(form: str, file: Path, out: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the SLOs of each service by their names, and what was said of the rest, without the file's name."""
    done = run("import", form, file, "--out", out)
    assert done.exit_code == 0, done.stderr
    found = {}
    for path in out.glob("*.slo.yaml"):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        found[spec["model"]] = {slo.pop("name"): slo for slo in spec["slos"]}
    return found, [line.removeprefix(f"{file}:") for line in done.stderr.splitlines()]


def test_openslo(tmp_path: Path) -> None:
    found, told = imported("openslo", HERE / "openslo.yaml", tmp_path)
    total = 'rate(http_requests_total{job="checkout"}[{{.window}}])'
    good = 'sum(rate(http_requests_total{code!~"5..",job="checkout"}[{{.window}}]))'
    assert found["checkout"]["availability-Meant"] == {
        "layer": "service",
        "objective": 99.9,
        "timeWindow": "4w",
        "sli": {"ratio": {"errors": f"sum({total}) - ({good} or 0 * sum({total}))", "total": total}},
        "alerting": {"windows": [{"factor": 14.4, "short": "5m", "long": "1h", "burn": "fast"}]},
    }
    assert found["checkout"]["availability-Promised"]["objective"] == 99
    errors = found["checkout"]["errors"]
    month = {"calendar": "month", "zone": "Europe/Berlin"}
    has_periods = openslo.is_time_window(month)
    assert (errors["good"], errors["timeWindow"]) == ({"atLeast": 0.99}, month if has_periods else "30d")
    assert errors["alerting"]["windows"] == [{"factor": 3, "short": "2h", "long": "1d", "burn": "slow"}]
    assert found["worker"] == {
        "queue": {
            "layer": "service",
            "objective": 95,
            "timeWindow": "30d",
            "good": {"atMost": 60},
            "sli": {"promql": {"query": "max(queue_age_seconds)"}},
        }
    }
    assert [line.partition(": ")[2].split("'")[1::2][0] for line in told if "nor is" not in line] == [
        "displayName", "spec", "connectionDetails", "description", "alertAfter", "alertWhenBreaching",
        "notificationTargets", "spec", "labels", "startTime" if has_periods else "calendar", "spec",
    ]  # fmt: skip
    assert "121:23: not carried over, nor is its SLO: a metric of Datadog; expected one of Prometheus" in told


def test_sloth(tmp_path: Path) -> None:
    found, told = imported("sloth", HERE / "sloth.yaml", tmp_path)
    assert found["search"] == {
        "requests-availability": {
            "layer": "service",
            "objective": 99.9,
            "timeWindow": "30d",
            "sli": {
                "ratio": {
                    "errors": 'sum(rate(http_requests_total{job="search",code=~"(5..|429)"}[{{.window}}]))',
                    "total": 'sum(rate(http_requests_total{job="search"}[{{.window}}]))',
                }
            },
            "alerting": {
                "windows": [
                    {"factor": 14.4, "short": "5m", "long": "1h", "burn": "fast"},
                    {"factor": 6, "short": "30m", "long": "6h", "burn": "fast"},
                ]
            },
        }
    }
    assert found["suggest"]["requests-availability"]["objective"] == 99
    said = [re.split(": ", line, maxsplit=1)[1] for line in told]
    assert (
        "not carried over: 'tier': the label 'tier' is set by the generator or tells series apart, choose another"
        in said
    )
    for key in ("slo_plugins", "labels", "name", "annotations", "namespace", "disable"):
        assert any(line.startswith(f"not carried over: '{key}': ") for line in said), key
    assert any("nor is its SLO: a ratio that is computed already" in line for line in said)
    assert all(re.match("[0-9]+:[0-9]+: not carried over", line) for line in told)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["openslo", "sloth"])
def test_the_outcome_is_generated_and_tested(form: str, tmp_path: Path) -> None:
    imported(form, HERE / f"{form}.yaml", tmp_path / "specs")
    done = run("generate", tmp_path / "specs", "--out", tmp_path)
    assert done.exit_code == 0, done.stderr
    tests = sorted((tmp_path / "rules").glob("*_test.yaml"))
    proved = subprocess.run(
        [tool("promtool"), "test", "rules", *tests], capture_output=True, text=True, check=False
    )
    assert proved.returncode == 0, proved.stdout + proved.stderr


def leaves(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, inner in items for leaf in leaves(inner, (*at, key))]
    return [at]


@pytest.mark.parametrize("kind", ["SLO", "SLI", "AlertPolicy", "AlertCondition", "Service"])
def test_no_key_is_passed_over_in_silence(kind: str, tmp_path: Path) -> None:
    """A key that nobody knows is told wherever it is put, or all that it is in."""
    documents = list(yaml.safe_load_all((HERE / "openslo.yaml").read_text(encoding="utf-8")))
    position = next(i for i, document in enumerate(documents) if document["kind"] == kind)
    places = {leaf[:end] for leaf in leaves(documents[position]) for end in range(len(leaf))}
    tried = 0
    for place in sorted(places, key=str):
        changed = yaml.safe_load(yaml.safe_dump(documents[position]))
        inner = changed
        for part in place:
            inner = inner[part]
        if not isinstance(inner, dict):
            continue
        inner["unheardOf"] = {"a": 1}
        file = tmp_path / "file.yaml"
        file.write_text(
            yaml.safe_dump_all([*documents[:position], changed, *documents[position + 1 :]]), encoding="utf-8"
        )
        told = [str(problem) for problem in openslo.carry_over(sources([file])).told]
        # What stands within something that is told as a whole is told with it.
        known = ("unheardOf", *(part for part in place if isinstance(part, str)))
        assert any(f"not carried over: '{key}'" in line for key in known for line in told), (place, told)
        tried += 1
    assert tried > 1


SLOTH = "version: prometheus/v1\nservice: a\n"
TOTAL = "total_query: 'sum(rate(b[{{.window}}]))'"


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("openslo", "", "no SLO could be carried over"),
        ("openslo", "a: [", "1:5: "),
        ("openslo", "- 1\n", "1:1: expected a mapping"),
        ("openslo", "apiVersion: openslo/v1alpha\nkind: SLO\n", "1:13: expected 'openslo/v1', got 'openslo/v1alpha'"),
        ("openslo", "apiVersion: openslo/v1\nkind: Slo\n", "2:7: expected one of SLO, SLI"),
        ("sloth", "version: prometheus/v2\n", "1:1: expected 'version: prometheus/v1'"),
        ("sloth", f"{SLOTH}slos: 5\n", "3:7: expected a list, got 5"),
        ("sloth", f"{SLOTH}slos: [5]\n", "3:8: not carried over, nor is its SLO: missing key"),
        (
            "sloth",
            f"{SLOTH}slos: [{{name: x, objective: 200, sli: {{events: {{error_query: 'rate(a[5m])', {TOTAL}}}}}}}]\n",
            "3:8: not carried over: this SLO: expected",
        ),
        (
            "sloth",
            f"{SLOTH}slos: [{{name: x, objective: 99, sli: {{events: {{error_query: 'sum(', {TOTAL}}}}}}}]\n",
            "3:61: not carried over, nor is its SLO: no PromQL",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(form: str, text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text, encoding="utf-8")
    done = run("import", form, file, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_was_read_and_what_was_not() -> None:
    (document,) = sources([HERE / "sloth.yaml"])[:1]
    source = Source(document.document)
    assert list(source.rest()) == [()]
    source.take(("service",))
    assert list(source.rest()) == [("version",), ("labels",), ("slo_plugins",), ("slos",)]
