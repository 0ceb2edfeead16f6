"""The generated dashboards: what is on them, what each panel says, and what stays the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from mlslo.catalogue import METRICS
from mlslo.yamlfile import read
from rulegen.dashboards.dashboard import build
from rulegen.dashboards.sections import LEFT_OUT, metrics_of, sections
from rulegen.slo.plan import make_plan
from rulegen.spec import model_slo, routing
from tests.support.bases import run
from tests.support.paths import CONTRACT, ROOT

Data = dict[str, Any]
_GENERATED = [ROOT / "dashboards" / "diabetes.json", ROOT / "dashboards" / "mlslo_fleet.json"]


def panels_of(dashboard: Data) -> Iterator[Data]:
    """Yield every panel but rows, also what a collapsed row holds."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


@pytest.fixture(params=_GENERATED, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> Data:
    data: Data = json.loads(request.param.read_text(encoding="utf-8"))
    return data


def test_every_panel_says_what_it_shows_and_in_which_unit(dashboard: Data) -> None:
    assert dashboard["editable"] is False
    for panel in panels_of(dashboard):
        assert len(panel["description"]) > 10, panel["title"]
        assert not re.search(r"docs/|\bml_\w+;", panel["description"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None
        assert [step["value"] for step in steps[1:]] == sorted(step["value"] for step in steps[1:])


def test_ids_are_unique_and_panels_do_not_overlap(dashboard: Data) -> None:
    ids = Counter(
        panel["id"] for panel in [*dashboard["panels"], *panels_of(dashboard)] if panel["type"] != "row"
    )
    rows = [panel["id"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert len({*ids, *rows}) == len(ids) + len(rows)
    cells = Counter(
        (x, y)
        for panel in dashboard["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )
    assert max(cells.values()) == 1
    assert max(x for x, _ in cells) < 24


def test_every_query_is_promql(dashboard: Data) -> None:
    for panel in panels_of(dashboard):
        for target in panel["targets"]:
            promql_parser.parse(with_variables(target["expr"]))


def with_variables(query: str, **values: str) -> str:
    """Return a query as Grafana sends it."""
    chosen = {
        "model": "diabetes", "version": ".*", "window": "30m", "reference": "validation", "segment": "features.sex",
        "feature": "glucose", "__rate_interval": "1m", **values,
    }  # fmt: skip
    for name, value in chosen.items():
        query = query.replace(f"${name}", value)
    assert "$" not in query
    return query


def test_every_metric_is_on_a_dashboard_or_left_out_for_a_reason() -> None:
    shown = {
        metric
        for path in _GENERATED
        for panel in panels_of(json.loads(path.read_text(encoding="utf-8")))
        for target in panel["targets"]
        for metric in metrics_of(target["expr"])
    }
    # Those of other tasks are on the dashboards of other models.
    shown |= {
        metric
        for section in sections()
        for panel in section.panels
        for query in panel.queries.values()
        for metric in metrics_of(query)
    }
    assert set(LEFT_OUT) <= set(METRICS)
    assert not set(LEFT_OUT) & shown
    assert set(METRICS) - shown == set(LEFT_OUT)
    assert all(len(reason) > 10 for reason in LEFT_OUT.values())


def test_the_order_is_that_of_the_questions_of_an_on_call() -> None:
    dashboard = json.loads(_GENERATED[0].read_text(encoding="utf-8"))
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows[:2] == ["What fires now", "What is promised, and what is left of it"]
    assert rows[2:] == [section.title for section in sections()]
    collapsed = [panel["title"] for panel in dashboard["panels"] if panel.get("collapsed")]
    assert rows[: rows.index("Outcome") + 1] == [row for row in rows if row not in collapsed]


def test_panels_of_a_section_are_told_apart() -> None:
    for section in sections():
        for said in (
            [panel.description for panel in section.panels],
            [panel.title for panel in section.panels],
        ):
            assert len(said) == len(set(said)), section.title


def test_what_the_help_of_its_metrics_does_not_say_is_said() -> None:
    table = yaml.safe_load((ROOT / "rulegen" / "dashboards" / "panels.yaml").read_text(encoding="utf-8"))
    for row in [row for section in table["sections"] for row in section["panels"]]:
        names = {name for query in row["queries"].values() for name in metrics_of(query)}
        # A join, and an age in place of a time, are another thing than the metric.
        other = any(" and on (" in query or "time() -" in query for query in row["queries"].values())
        assert "about" in row or (0 < len(names) <= 3 and not other), row["key"]


def test_a_panel_shows_what_is_counted_in_one_unit() -> None:
    for section in sections():
        for panel in section.panels:
            a_second = {"rate(" in query or "_per_second" in query for query in panel.queries.values()}
            assert len(a_second) == 1 or panel.kind == "table", panel.title
            if panel.unit in ("reqps", "cps"):
                assert a_second == {True}, panel.title


@pytest.mark.parametrize("task", sorted({task for metric in METRICS.values() for task in metric.tasks}))
def test_a_model_has_the_panels_of_its_task(task: str) -> None:
    queries = [
        query for section in sections(task) for panel in section.panels for query in panel.queries.values()
    ]
    assert all(panel.queries for section in sections(task) for panel in section.panels)
    shown = {name for query in queries for name in metrics_of(query)}
    assert shown >= {
        name for name, one in METRICS.items() if (not one.tasks or task in one.tasks) and name not in LEFT_OUT
    }
    for query in queries:
        tasks = [METRICS[name].tasks for name in metrics_of(query)]
        assert not tasks or any(not one or task in one for one in tasks), query


def _generated_for(folder: Path, *monitors: Path) -> Data:
    out = folder / "out"
    found = run("generate", CONTRACT / "fraud.slo.yaml", CONTRACT / "routing.yaml", *monitors, "--out", out)
    assert found.exit_code == 0, found.stderr
    data: Data = json.loads((out / "dashboards" / "fraud.json").read_text(encoding="utf-8"))
    return data


def test_the_monitor_file_says_which_task(tmp_path: Path) -> None:
    def legends(dashboard: Data) -> set[str]:
        return {target["legendFormat"] for panel in panels_of(dashboard) for target in panel["targets"]}

    known = legends(_generated_for(tmp_path, CONTRACT / "fraud.monitor.yaml"))
    unknown = legends(_generated_for(tmp_path))
    assert unknown - known >= {"R²", "NDCG {{k}}", "Hamming loss"}
    assert "accuracy" in known


@pytest.mark.parametrize("task", [None, "ranking"])
def test_a_row_without_panels_is_left_out(task: str | None) -> None:
    file = model_slo.from_document(read(CONTRACT / "fraud.slo.yaml"))
    plan = make_plan(file, routing.from_document(read(CONTRACT / "routing.yaml")))
    plain = replace(plan, slos=tuple(slo for slo in plan.slos if slo.slo.layer == "service"))
    rows = [row["title"] for row in json.loads(build(plain, "mark", task))["panels"] if row["type"] == "row"]
    assert ("Fairness" in rows, "Calibration" in rows) == (task is None, task is None)


@pytest.fixture(scope="module")
def fraud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract's files, with links, generated."""
    folder = tmp_path_factory.mktemp("fraud")
    routing = (CONTRACT / "routing.yaml").read_text(encoding="utf-8")
    routing += "  runbooks: {url: 'https://git.example.org/runbooks'}\n  dashboards: {url: 'https://grafana.example.org'}\n"
    (folder / "routing.yaml").write_text(routing)
    found = run("generate", CONTRACT / "fraud.slo.yaml", folder / "routing.yaml", "--out", folder)
    assert found.exit_code == 0, found.stderr
    return folder


def test_an_alert_leads_to_its_panel_and_the_panel_to_its_runbook(fraud: Path) -> None:
    dashboard = json.loads((fraud / "dashboards" / "fraud.json").read_text(encoding="utf-8"))
    panels = {panel["id"]: panel for panel in panels_of(dashboard)}
    groups = yaml.safe_load((fraud / "rules" / "fraud.yaml").read_text(encoding="utf-8"))["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    led = 0
    for alert in alerts:
        base, _, query = alert["annotations"]["dashboard_url"].partition("?")
        assert base == f"https://grafana.example.org/d/{dashboard['uid']}"
        if not query:
            continue
        led += 1
        panel = panels[int(query.removeprefix("viewPanel="))]
        assert panel["title"].startswith(f"{alert['labels']['slo']}: ")
        url = "https://fraud.example.org" if "runbook" not in alert["annotations"]["runbook_url"] else None
        assert url or alert["annotations"]["runbook_url"] in {link["url"] for link in panel["links"]}
    assert led >= 10


def test_limits_of_a_spec_are_lines(fraud: Path) -> None:
    dashboard = json.loads((fraud / "dashboards" / "fraud.json").read_text(encoding="utf-8"))
    (drift,) = [panel for panel in panels_of(dashboard) if panel["title"].startswith("feature-drift: ")]
    defaults = drift["fieldConfig"]["defaults"]
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 0.1, 0.25]
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "dashed"}
    recorded = drift["targets"][0]["expr"].split("{")[0]
    assert recorded == "model_version_feature:ml_feature_psi:max"


def test_lines_of_an_slo_are_called_what_they_are() -> None:
    dashboard = json.loads(_GENERATED[0].read_text(encoding="utf-8"))
    panels = {panel["title"].split(" (")[0]: panel for panel in panels_of(dashboard)}
    auc = panels["auc: ml_model_auc_roc"]
    # The mean of the past is that of all versions.
    assert [target["legendFormat"] for target in auc["targets"]] == [
        "{{version}}",
        "mean over 30d until 2d ago",
    ]
    traffic = panels["traffic: ml_predictions_per_second"]
    assert traffic["fieldConfig"]["defaults"]["unit"] == "reqps"
    assert "99 % of the evaluations of auc" in panels["auc: burn rate"]["description"]
    assert "99.5 % of the events of availability" in panels["availability: burn rate"]["description"]


def test_every_slo_has_a_panel_of_records(fraud: Path) -> None:
    dashboard = json.loads((fraud / "dashboards" / "fraud.json").read_text(encoding="utf-8"))
    rules = yaml.safe_load((fraud / "rules" / "fraud.yaml").read_text(encoding="utf-8"))
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    for slo in yaml.safe_load((CONTRACT / "fraud.slo.yaml").read_text(encoding="utf-8"))["spec"]["slos"]:
        mine = [panel for panel in panels_of(dashboard) if panel["title"].startswith(f"{slo['name']}: ")]
        assert mine, slo["name"]
        for panel in mine:
            assert {target["expr"].split("{")[0] for target in panel["targets"]} <= recorded


def test_variables_begin_with_what_the_spec_is_about(fraud: Path) -> None:
    dashboard = json.loads((fraud / "dashboards" / "fraud.json").read_text(encoding="utf-8"))
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert list(variables) == ["datasource", "model", "version", "window", "reference", "segment", "feature"]
    assert variables["window"]["current"]["value"] == "1h"
    assert variables["reference"]["current"]["value"] == "training"
    assert variables["version"]["allValue"] == ".*"


def test_a_name_that_is_no_identifier_gets_one(tmp_path: Path) -> None:
    names = ["fraud", "<b>fraud & co.</b>", "x" * 60]
    uids = []
    for number, name in enumerate(names):
        out = tmp_path / str(number)
        slo = yaml.safe_load((CONTRACT / "fraud.slo.yaml").read_text(encoding="utf-8"))
        slo["spec"]["model"] = name
        if number != 1:
            slo["metadata"]["name"] = name
        (tmp_path / "slo.yaml").write_text(yaml.safe_dump(slo))
        found = run("generate", tmp_path / "slo.yaml", CONTRACT / "routing.yaml", "--out", out)
        assert found.exit_code == 0, found.stderr
        (path,) = [path for path in (out / "dashboards").glob("*.json") if path.stem != "mlslo_fleet"]
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        uids.append(dashboard["uid"])
        for panel in panels_of(dashboard):
            for target in panel["targets"]:
                assert promql_parser.parse(with_variables(target["expr"], model=name)) is not None
    assert uids[0] == "mlslo-fraud"
    assert all(len(uid) <= 40 for uid in uids)


def test_the_fleet_leads_to_each_model() -> None:
    fleet = json.loads(_GENERATED[1].read_text(encoding="utf-8"))
    model = json.loads(_GENERATED[0].read_text(encoding="utf-8"))
    table = next(panels_of(fleet))
    (link,) = [o for o in table["fieldConfig"]["overrides"] if o["matcher"]["options"] == "model"]
    url = link["properties"][0]["value"][0]["url"]
    assert url.split("?")[0].replace("${__value.raw}", "diabetes") == f"/d/{model['uid']}"
    assert any(item["url"] == f"/d/{fleet['uid']}" for item in model["links"])
