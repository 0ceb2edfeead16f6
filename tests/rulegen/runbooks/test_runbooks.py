"""Runbook pages: a section for each alert, queries that run, links that lead somewhere, the routing as it is."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from click.testing import CliRunner, Result

from mlslo.catalogue import METRICS, Type
from rulegen.cli import main
from rulegen.promql.conventions import FAST_BURN, NO_DATA, RESERVED_ALERTS, SLOW_BURN
from rulegen.runbooks import knowledge
from tests.support.paths import ROOT
from tests.support.tools import tool

CONTRACT = ROOT / "tests" / "contract"
EXAMPLE = [ROOT / "examples" / "diabetes" / f"{name}.yaml" for name in ("slo", "routing", "monitor")]
SERVED = "https://git.example.org/ml/runbooks/"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract and the example, with links, and without an address of their own."""
    folder = tmp_path_factory.mktemp("runbooks")
    for path in CONTRACT.glob("*.yaml"):
        text = path.read_text().replace(
            '  annotations: {runbook_url: "https://runbooks.example.org/fraud"}\n', ""
        )
        if path.name == "routing.yaml":
            text += f"  runbooks: {{url: '{SERVED}'}}\n  dashboards: {{url: 'https://grafana.example.org'}}\n"
        (folder / path.name).write_text(text)
    (folder / "diabetes.yaml").write_text(EXAMPLE[0].read_text())
    (folder / "diabetes.monitor.yaml").write_text(EXAMPLE[2].read_text())
    result = run("generate", folder, "--out", folder / "out")
    assert result.exit_code == 0, result.stderr
    return folder / "out"


def alerts(out: Path, name: str) -> list[dict[str, Any]]:
    rules = yaml.safe_load((out / "rules" / f"{name}.yaml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


def sections(out: Path, name: str) -> dict[str, str]:
    """The sections of a page by their anchors."""
    parts = re.split(r"^## (.+)\n", (out / "runbooks" / f"{name}.md").read_text(), flags=re.MULTILINE)
    return {slug(heading): text for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def anchor_of(alert: dict[str, Any]) -> str:
    of_slo = f" of {alert['labels']['slo']}" if alert["alert"] in (FAST_BURN, SLOW_BURN, NO_DATA) else ""
    return slug(f"{alert['alert']}{of_slo}")


def section_of(out: Path, name: str, alert: dict[str, Any]) -> str:
    return sections(out, name)[anchor_of(alert)]


def queries(text: str) -> list[str]:
    return re.findall(r"```promql\n(.*?)\n```", text, re.DOTALL)


def test_every_alert_has_a_section_and_links_to_it(generated: Path) -> None:
    for name in ("fraud", "diabetes"):
        known = {anchor_of(alert): alert for alert in alerts(generated, name)}
        assert len(known) == len(alerts(generated, name))
        assert list(sections(generated, name)) == [*known, "before-you-silence", "incident"]
        for anchor, alert in known.items():
            section = sections(generated, name)[anchor]
            assert alert["expr"] in queries(section)
            url = alert["annotations"]["runbook_url"]
            if name == "diabetes":
                assert url == "https://runbooks.example.org/diabetes", "the user's own wins"
                assert f"Your own runbook: <{url}>" in section
            else:
                assert url == f"{SERVED}{name}.md#{anchor}"
                assert "Your own runbook" not in section
    (watchdog,) = alerts(generated, "watchdog")
    assert watchdog["annotations"]["runbook_url"] == f"{SERVED}watchdog.md"
    assert sorted(path.name for path in (generated / "runbooks").iterdir()) == [
        "diabetes.md",
        "fraud.md",
        "watchdog.md",
    ]


def test_links_between_files_lead_somewhere(generated: Path) -> None:
    for page in generated.glob("runbooks/*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            assert target.startswith("https://") or not path or (page.parent / path).is_file(), (page, target)
            assert not anchor or anchor in sections(generated, page.stem)
    dashboard = yaml.safe_load((generated / "dashboards" / "fraud.json").read_text())
    urls = {alert["annotations"]["dashboard_url"].split("?")[0] for alert in alerts(generated, "fraud")}
    assert urls == {f"https://grafana.example.org/d/{dashboard['uid']}"}


def test_every_query_is_promql(generated: Path, tmp_path: Path) -> None:
    found = {query for page in generated.glob("runbooks/*.md") for query in queries(page.read_text())}
    for query in found:
        promql_parser.parse(query)
    rules = [{"record": "r", "expr": query, "labels": {"n": str(n)}} for n, query in enumerate(sorted(found))]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    done = subprocess.run([tool("promtool"), "check", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_page_says_which_receivers_alertmanager_would_tell(generated: Path) -> None:
    config = f"--config.file={generated / 'alertmanager' / 'alertmanager.yaml'}"
    asked: dict[tuple[str, ...], list[str]] = {}
    for alert in alerts(generated, "fraud"):
        labels = tuple(
            f"{name}={value}" for name, value in alert["labels"].items() if name in ("tier", "team", "layer")
        )
        if labels not in asked:
            command = [str(tool("amtool")), "config", "routes", "test", config, *labels]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            asked[labels] = done.stdout.strip().split(",")
        told = section_of(generated, "fraud", alert).split("**Who is notified**")[1]
        assert re.findall(r"^\* `([^`]+)`", told, re.MULTILINE) == asked[labels]


def test_a_page_says_what_holds_the_alert_back(generated: Path) -> None:
    drift = sections(generated, "fraud")["featuredrift"]
    assert "`NoPredictions` of traffic (P1), `FeaturesDrifting` of feature-drift (P2)" in drift
    assert "During `retraining` messages of the layer data wait." in drift
    assert "Outside of `office-hours` messages of P3 wait." in drift
    page = sections(generated, "fraud")["nopredictions"]
    assert "No other alert inhibits it." in page
    assert "`FeatureDrift` of feature-drift (P3)" in page.split("these are not sent")[1]


def test_the_commands_are_of_this_alert(generated: Path) -> None:
    known = sections(generated, "fraud")
    ours, theirs = (
        shlex.split(command)
        for anchor in ("before-you-silence", "errorbudgetfastburn-of-latency")
        for command in re.findall(r"```sh\n(.*)\n```", known[anchor])
    )
    assert ours[:7] == ["mlslo-rulegen", "silence", "SPEC", "--model", "fraud", "--layer", "service"]
    assert theirs[:3] == ["amtool", "silence", "add"]
    assert theirs[3:6] == ['alertname="ErrorBudgetFastBurn"', 'model="fraud"', 'slo="latency"']


def test_without_an_address_no_link_is_made_up(tmp_path: Path) -> None:
    text = (CONTRACT / "fraud.slo.yaml").read_text()
    slo = tmp_path / "slo.yaml"
    slo.write_text(text.replace('  annotations: {runbook_url: "https://runbooks.example.org/fraud"}\n', ""))
    assert run("generate", slo, CONTRACT / "routing.yaml", "--out", tmp_path).exit_code == 0
    for alert in alerts(tmp_path, "fraud"):
        assert set(alert["annotations"]) == {"summary", "description"}
        assert section_of(tmp_path, "fraud", alert)


def test_check_sees_pages(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("generate", CONTRACT, "--out", out).exit_code == 0
    page = out / "runbooks" / "fraud.md"
    written = page.read_text()
    page.write_text(written.replace("collapse", "folding"))
    old = page.with_name("Forgotten.md")
    old.write_text(written)
    page.with_name("by-hand.md").write_text("# Ours\n")
    found = run("check", CONTRACT, "--out", out)
    assert found.exit_code == 1
    assert "runbooks/fraud.md" in found.stdout
    assert "runbooks/Forgotten.md" in found.stdout + found.stderr
    assert "by-hand" not in found.stdout + found.stderr


@pytest.mark.parametrize("url", ["runbooks.example.org", "ftp://x", "https://x/{{ model }}", ""])
def test_an_address_must_be_one(tmp_path: Path, url: str) -> None:
    routing = tmp_path / "routing.yaml"
    routing.write_text((CONTRACT / "routing.yaml").read_text() + f"  runbooks: {{url: '{url}'}}\n")
    found = run("generate", CONTRACT / "fraud.slo.yaml", routing, "--out", tmp_path)
    assert found.exit_code == 2
    assert f"expected an address that starts with https:// or http://, got '{url}'" in found.stderr


# What is known -------------------------------------------------------------------------------------------------------


def selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, part, None)
        if inner is not None and not isinstance(inner, (str, int, float)):
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or ():
        yield from selectors(inner)


def test_what_is_asked_first_are_series_that_exist() -> None:
    """Each query, with each metric of its family, names metrics of the catalogue and labels that they have."""
    chosen = {"model": "m", "slo": "s", "window": "1h", "reference": "r"}
    checked = 0
    for metric in METRICS.values():
        if metric.type not in (Type.GAUGE, Type.SUMMARY) or "model" not in metric.labels:
            continue
        for query in knowledge.family(metric.name).filled(chosen, metric):
            tree = promql_parser.parse(query.promql)
            found = list(selectors(tree))
            assert found, query
            for selector in found:
                name = re.sub(r"_(bucket|sum|count)$", "", selector.name or "")
                if not name or name == "up":
                    continue
                have = {*METRICS[name].labels, "instance", "le"}
                asked = {matcher.name for matcher in selector.matchers.matchers}
                assert asked <= have, (metric.name, query.promql, asked - have)
                checked += 1
    assert checked > 300


def test_every_metric_and_every_alert_of_ours_is_known() -> None:
    general = knowledge.family("ml_")
    for name in METRICS:
        if METRICS[name].layer.value not in ("meta", "service"):
            assert knowledge.family(name) is not general, name
    for name in RESERVED_ALERTS:
        if not name.startswith("ErrorBudget"):
            assert knowledge.family(name) is not general, name
    for one in dict.fromkeys(knowledge.families().values()):
        assert len(one.causes) >= 3, one.name
        assert one.do, one.name
        assert one.queries, one.name


@pytest.mark.slow
def test_a_page_names_some_of_very_many_alerts(tmp_path: Path) -> None:
    limits = "\n".join(
        f"""    - name: limit-{number}
      layer: data
      sli: {{gauge: {{metric: ml_feature_psi, window: 1d, reference: training}}}}
      alerts: [{{name: Drift{number}, tier: P2, when: {{above: 0.{number + 1:03}}}, for: 1h}}]"""
        for number in range(60)
    )
    text = (CONTRACT / "fraud.slo.yaml").read_text().replace("  slos:\n", f"  slos:\n{limits}\n", 1)
    (tmp_path / "fraud.yaml").write_text(text)
    result = run("generate", tmp_path, CONTRACT / "routing.yaml", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    page = sections(tmp_path, "fraud")["nopredictions"]
    (line,) = [line for line in page.splitlines() if line.startswith("While it fires, these are not sent: ")]
    named = line.split(": ", 1)[1].split(", ")
    assert len(named) == 41
    more = re.fullmatch(r"and ([0-9]+) more of \[this model\]\(#\)\.", named[-1])
    assert more is not None
    # Less urgent ones of the layers that the routing file names, and of its own SLO.
    held = {
        (rule["alert"], rule["labels"]["slo"])
        for rule in alerts(tmp_path, "fraud")
        if rule["labels"]["tier"] > "P1"
        and (
            rule["labels"]["layer"] in ("data", "prediction", "outcome") or rule["labels"]["slo"] == "traffic"
        )
    }
    assert int(more[1]) == len(held) - 40
