"""The texts, rendered by Alertmanager's own engine from groups that are hard to say in few words."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rulegen import alertmanager
from rulegen.spec.integrations import TEXTS
from tests.support.tools import tool

RUNBOOK = "https://runbooks.example.org/fraud"


def an_alert(status: str = "firing", **labels: str) -> dict[str, Any]:
    given = {"alertname": "FeatureDrift", "model": "fraud", "slo": "feature-drift", "tier": "P3", **labels}
    return {
        "status": status,
        "labels": {name: value for name, value in given.items() if value},
        "annotations": {
            "summary": "amount drifts",
            "description": "It is 0.3 > 0.1.",
            "runbook_url": RUNBOOK,
        },
        "startsAt": "2026-01-05T03:12:00+01:00",
        "endsAt": "2026-01-05T02:30:20Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "x",
    }


def a_group(*alerts: dict[str, Any]) -> dict[str, Any]:
    common = {
        name: value
        for name, value in alerts[0]["labels"].items()
        if all(alert["labels"].get(name) == value for alert in alerts)
    }
    firing = any(alert["status"] == "firing" for alert in alerts)
    return {
        "receiver": "any",
        "status": "firing" if firing else "resolved",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
    }


@pytest.fixture
def render(tmp_path: Path) -> Any:
    for name, text in alertmanager.templates().items():
        (tmp_path / name).write_text(text)

    def render(name: str, *alerts: dict[str, Any]) -> str:
        return evaluate(f'{{{{ template "mlslo.{name}" . }}}}', *alerts)

    def evaluate(text: str, *alerts: dict[str, Any]) -> str:
        data = tmp_path / "data.json"
        data.write_text(json.dumps(a_group(*alerts)))
        answer = subprocess.run(
            [
                tool("amtool"), "template", "render", f"--template.glob={tmp_path}/*.tmpl",
                f"--template.text={text}", f"--template.data={data}",
            ],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        assert "<no value>" not in answer.stdout
        return answer.stdout

    render.evaluate = evaluate  # type: ignore[attr-defined]
    return render


def test_a_title_says_how_bad_where_and_what(render: Any) -> None:
    assert render("title", an_alert()) == "[P3] fraud feature-drift: FeatureDrift"
    assert render("title", an_alert("resolved")) == "[P3 resolved] fraud feature-drift: FeatureDrift"


def test_a_title_counts_the_others_that_fire(render: Any) -> None:
    alerts = [an_alert(feature=f"f{number}") for number in range(3)]
    assert render("title", *alerts, an_alert("resolved")).endswith("FeatureDrift (+2 more)")


@pytest.mark.parametrize(
    ("labels", "title"),
    [
        ({"model": "", "slo": ""}, "[P3] FeatureDrift"),
        ({"slo": ""}, "[P3] fraud: FeatureDrift"),
        ({"tier": "", "model": ""}, "[no tier] feature-drift: FeatureDrift"),
        ({"tier": "", "model": "", "slo": "", "alertname": ""}, "[no tier] alert"),
    ],
)
def test_a_title_does_without_what_is_not_known(labels: dict[str, str], title: str, render: Any) -> None:
    assert render("title", an_alert(**labels)) == title


def test_a_title_fits_a_phone_whatever_the_names_are(render: Any) -> None:
    alerts = [an_alert(model="m" * 60, slo="s" * 60, feature=str(number)) for number in range(1000)]
    title = render("title", *alerts)
    assert title == f"[P3] {'m' * 20}: FeatureDrift (+999 more)"
    assert len(render("title", an_alert("resolved", model="m" * 60, alertname="n" * 60))) <= 80


@pytest.mark.parametrize(
    ("summary", "shown"),
    [
        ("fraud feature-drift: amount drifts", "amount drifts"),
        ("fraud feature-drift: ", "fraud feature-drift: "),
        ("credit feature-drift: amount drifts", "credit feature-drift: amount drifts"),
        ("", "FeatureDrift"),
        ("s" * 400, "s" * 300),
    ],
)
def test_a_summary_does_not_repeat_the_title(summary: str, shown: str, render: Any) -> None:
    alert = an_alert()
    alert["annotations"]["summary"] = summary
    assert render("slack.fallback", alert) == f"{render('title', alert)} - {shown}"
    assert render("pagerduty.description", alert) == f"{render('title', alert)} - {shown}"
    assert render("slack.text", alert).startswith(f"*{shown}*")


def test_facts_name_version_feature_segment_and_time_with_its_zone(render: Any) -> None:
    alert = an_alert(feature="amount", version="7", segment="country", segment_value="DE")
    line = "feature amount · version 7 · country=DE · since Mon 5 Jan 02:12 UTC"
    assert line in render("slack.text", alert).splitlines()
    assert line in render("text", alert).splitlines()


def test_what_is_over_says_how_long_it_lasted_and_nothing_that_is_no_longer_true(render: Any) -> None:
    for template in ("text", "slack.text"):
        text = render(template, an_alert("resolved"))
        assert text.startswith("Over: ")
        assert "lasted 18m20s, until Mon 5 Jan 02:30 UTC" in text
        assert "0.3" not in text
        assert "Silence" not in text
        assert RUNBOOK in text


def test_firing_and_resolved_are_told_apart(render: Any) -> None:
    text = render("text", an_alert(feature="amount"), an_alert("resolved", feature="country"))
    firing, _, over = text.partition("Over: ")
    assert "feature amount" in firing
    assert "feature country" in over


def test_what_fires_comes_first_whatever_the_order(render: Any) -> None:
    over, fires = an_alert("resolved"), an_alert(feature="x")
    over["annotations"] = {"summary": "over"}
    for template in ("slack.fallback", "pagerduty.description"):
        assert render(template, over, fires).endswith(" - amount drifts")


@pytest.mark.parametrize("template", ["text", "slack.text"])
def test_a_long_group_is_cut(template: str, render: Any) -> None:
    text = render(template, *(an_alert(feature=f"f{number}") for number in range(40)))
    assert text.count("feature f") == 5
    assert "\nand 35 more\n" in text
    assert len(text) < 1500


def test_slack_is_not_given_its_own_markup_by_mistake_or_malice(render: Any) -> None:
    alert = an_alert(segment="country", segment_value="<!channel>", feature="a&b")
    alert["annotations"].update(summary="<!here> drifts", description="x < 1 & y > 2")
    for template in ("slack.text", "slack.fallback", "text"):
        text = render(template, alert)
        assert "<!channel>" not in text
    text = render("slack.text", alert)
    assert "&lt;!here&gt; drifts" in text
    assert "x &lt; 1 &amp; y &gt; 2" in text
    assert "<!here>" not in render("slack.fallback", alert)
    assert re.findall(r"<[^>]*>", text) == [f"<{RUNBOOK}|Runbook>", *re.findall(r"<http://[^>]*>", text)]


def test_slack_shows_urgency_by_colour(render: Any) -> None:
    colours = {tier: render("slack.color", an_alert(tier=tier)) for tier in ("P0", "P1", "P2", "P3", "")}
    assert colours == {"P0": "danger", "P1": "danger", "P2": "warning", "P3": "#439FE0", "": "#439FE0"}
    assert render("slack.color", an_alert("resolved", tier="P1")) == "good"


def test_without_a_runbook_no_empty_link_is_shown(render: Any) -> None:
    alert = an_alert()
    del alert["annotations"]["runbook_url"]
    assert "Runbook" not in render("slack.text", alert)
    assert "Runbook" not in render("text", alert)
    assert render("runbook", alert) == ""


def test_the_silence_is_for_this_tier_of_this_slo(render: Any) -> None:
    url = render("silence", an_alert(team="ri sk+1", version="7"), an_alert(team="ri sk+1", version="8"))
    assert url == (
        "http://alertmanager:9093/#/silences/new?filter=%7B"
        "alertname%3D%22FeatureDrift%22%2Cmodel%3D%22fraud%22%2Cslo%3D%22feature-drift%22%2C"
        "team%3D%22ri%20sk%2B1%22%2Ctier%3D%22P3%22%7D"
    )


def test_since_is_the_earliest(render: Any) -> None:
    later = {**an_alert(), "startsAt": "2026-01-05T02:40:00Z"}
    assert render("since", later, an_alert(feature="x")) == "Mon 5 Jan 2026 02:12 UTC"


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        ({"severity": "critical"}, "critical"),
        ({"severity": "page", "tier": "P1"}, "critical"),
        ({"severity": "ticket", "tier": "P2"}, "warning"),
        ({"severity": "", "tier": "P3"}, "info"),
        ({"severity": "none", "tier": ""}, "error"),
    ],
)
def test_pagerduty_gets_a_severity_that_it_takes(labels: dict[str, str], severity: str, render: Any) -> None:
    assert render("pagerduty.severity", an_alert(**labels)) == severity


def test_pagerduty_always_gets_a_source(render: Any) -> None:
    assert render("pagerduty.source", an_alert()) == "fraud"
    assert render("pagerduty.source", an_alert(), an_alert(model="credit")) == "several models"


def test_opsgenie_gets_a_priority_that_it_takes(render: Any) -> None:
    assert render("opsgenie.priority", an_alert(tier="P1")) == "P1"
    assert render("opsgenie.priority", an_alert(tier="P0")) == "P1"
    assert render("opsgenie.priority", an_alert(tier="")) == "P3"


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in inner for text in texts_of(part)]


def test_every_text_of_every_integration_renders(render: Any) -> None:
    """check-config passes a template that does not exist; a message that fails to render is never sent."""
    texts = dict.fromkeys(text for given in TEXTS.values() for text in texts_of(dict(given)) if "{{" in text)
    together = "\x1f".join(texts)
    for alerts in ([an_alert()], [an_alert("resolved")], [an_alert(), an_alert("resolved", feature="x")]):
        rendered = render.evaluate(together, *alerts)
        assert rendered.count("\x1f") == len(texts) - 1


def test_every_template_is_used() -> None:
    source = "".join(alertmanager.templates().values())
    used = source + json.dumps([dict(given) for given in TEXTS.values()])
    for name in re.findall(r'define "([^"]+)"', source):
        assert re.search(rf'template \\*"{re.escape(name)}\\*"', used), name
