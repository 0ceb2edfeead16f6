"""The generated dashboards: what is on them, what each panel says, and what stays the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from mlslo.catalogue import METRICS
from rulegen.dashboards.sections import LEFT_OUT, metrics_of, sections
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
    assert set(LEFT_OUT) <= set(METRICS)
    assert not set(LEFT_OUT) & shown
    assert set(METRICS) - shown == set(LEFT_OUT)
    assert all(len(reason) > 10 for reason in LEFT_OUT.values())


def test_the_order_is_that_of_the_questions_of_an_on_call() -> None:
    dashboard = json.loads(_GENERATED[0].read_text(encoding="utf-8"))
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows[:2] == ["What fires now", "What is promised, and what is left of it"]
    assert rows[2:] == [section.title for section in sections()]


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
    (table, _) = panels_of(fleet)
    (link,) = [o for o in table["fieldConfig"]["overrides"] if o["matcher"]["options"] == "model"]
    url = link["properties"][0]["value"][0]["url"]
    assert url.split("?")[0].replace("${__value.raw}", "diabetes") == f"/d/{model['uid']}"
    assert any(item["url"] == f"/d/{fleet['uid']}" for item in model["links"])
