"""`mlslo-rulegen tune`: what it proposes meets the target, and only that is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlslo.yamlfile import InputError, parse
from rulegen.backtest.candidates import rounded
from rulegen.backtest.spec_text import replaced
from tests.rulegen.backtest.histories import START, Samples, called, rfc3339, write_history, write_specs
from tests.support.tools import tool

pytestmark = [pytest.mark.slow, pytest.mark.one_version]

HOUR = 3600
DAYS = 6
GAUGE = {"metric": "ml_feature_psi", "window": "1h", "reference": "training"}
SERIES = 'ml_feature_psi{model="fraud",version="1",window="1h",reference="training",feature="amount"}'


def history(folder: Path, value: Callable[[float], float]) -> Path:
    """Write the PSI of one feature, by hours."""
    steps = range(0, DAYS * 24 * HOUR + 1, 600)
    samples = {SERIES: [(START + s, value(s / HOUR)) for s in steps]}
    return write_history(folder, samples, START, START + DAYS * 24 * HOUR, "10m")


def waves(hour: float) -> float:
    """Quiet at 0.1; each day an hour of 0.3; on the third day four hours of 0.5, on the fifth one of 0.4."""
    day, clock = divmod(hour, 24)
    if day == 2 and 12 <= clock < 16:
        return 0.5
    if day == 4 and 12 <= clock < 13:
        return 0.4
    return 0.3 if 6 <= clock < 7 else 0.1


def tuned(
    tmp_path: Path,
    when: dict[str, Any],
    *more: object,
    value: Callable[[float], float] = waves,
    code: int = 0,
) -> tuple[list[str], Path]:
    """Return what it says of the alert `Drift`, and the SLO file."""
    specs = specs_of(tmp_path, {"name": "Drift", "tier": "P2", "when": when, "for": "10m"})
    past = history(tmp_path / "history", value)
    words = [*specs, "--history", past, "--tools", tool("prometheus").parent, *more]
    return called("tune", *words, code=code).stdout.splitlines(), specs[0]


def specs_of(tmp_path: Path, *alerts: dict[str, Any]) -> list[Path]:
    return write_specs(
        tmp_path, [{"name": "drift", "layer": "data", "sli": {"gauge": GAUGE}, "alerts": [*alerts]}]
    )


def incidents(tmp_path: Path, *found: dict[str, Any]) -> Path:
    path = tmp_path / "incidents.yaml"
    path.write_text(yaml.safe_dump({"incidents": list(found)}))
    return path


def at(day: int, first: float, last: float, **more: str) -> dict[str, Any]:
    begin = START + day * 24 * HOUR
    return {"from": rfc3339(begin + first * HOUR), "until": rfc3339(begin + last * HOUR), **more}


def test_the_most_sensitive_number_that_meets_the_target(tmp_path: Path) -> None:
    said, path = tuned(tmp_path, {"above": 0.2}, "--pages-per-quarter", 2)
    # Six of 0.3, one of 0.5 and one of 0.4: two are left above 0.3.
    assert "  above 0.2 for 10m: 8 pages" in said
    assert "  above 0.3 for 10m: 2 pages" in said
    assert "  told, routing considered: 8 times now, 2 times then" in said
    assert said[-1] == f"{path}: --write would change it"


def test_a_limit_at_which_it_fires_most_of_the_time_meets_no_target(tmp_path: Path) -> None:
    def value(hour: float) -> float:
        return 0.0 if 1 <= hour < 2 else waves(hour)

    known = incidents(tmp_path, at(2, 11, 17, slo="drift"))
    said, _ = tuned(tmp_path, {"above": 0.2}, "--pages-per-quarter", 1, "--incidents", known, value=value)
    assert "  above 0.3 for 10m: 1 page" in said


def test_an_incident_decides_between_a_limit_and_a_longer_for(tmp_path: Path) -> None:
    # Of 0.3, but four hours long: no limit tells it from the waves, a `for` does.
    def value(hour: float) -> float:
        return 0.3 if 60 <= hour < 64 else waves(hour) if waves(hour) < 0.4 else 0.1

    marked = incidents(tmp_path, at(2, 12, 16, alert="Drift", note="laboratory"))
    said, _ = tuned(tmp_path, {"above": 0.2}, "--incidents", marked, "--pages-per-quarter", 0, value=value)
    (proposed,) = [line for line in said if line.startswith("  above") and ": 0 pages" in line]
    assert proposed in ("  above 0.1 for 1h: 0 pages", "  above 0.1 for 2h: 0 pages")
    assert "  rings in incident 1" in said
    assert "incident 1 (laboratory): found by Drift" in said


def test_what_cannot_be_met_is_said_with_numbers(tmp_path: Path) -> None:
    # One of the six waves was real: nothing tells it from the others.
    marked = incidents(tmp_path, at(1, 6, 7, slo="drift"), at(3, 0, 1))
    said, _ = tuned(tmp_path, {"above": 0.2}, "--incidents", marked, "--pages-per-quarter", 2, code=1)
    assert "  above 0.3 for 10m: 2 pages" in said
    assert any(
        "without missing incident 1" in line and line.startswith("  no above between 0.1") for line in said
    )
    assert "  best that finds it: above 0.29 for 10m, with 7 pages" in said
    assert "incident 1: found by none" in said
    assert "incident 2: found by none" in said


OTHERS = {
    "deviations": {"adaptive": {"window": "1d", "offset": "1h", "deviations": 2, "direction": "above"}},
    "by": {"changeFrom": {"offset": "2h", "by": 0.05}},
    "within": {"forecast": {"above": 0.6, "within": "7d", "basedOn": "1h"}},
    "above": {"all": [{"above": 0.2}, {"above": 0.15}]},
    "stays": {"above": 0.45},
}


def test_other_conditions_are_judged_the_same_way(tmp_path: Path) -> None:
    alerts = [{"name": key.title(), "tier": "P2", "when": when, "for": "10m"} for key, when in OTHERS.items()]
    specs = specs_of(tmp_path, *alerts)
    past = history(tmp_path / "history", waves)
    words = [*specs, "--history", past, "--tools", tool("prometheus").parent]
    said = called("tune", *words, "--pages-per-quarter", 2, "--write").stdout.splitlines()
    said.remove("  above 0.45 for 10m: 1 page; stays")
    for key in OTHERS.keys() - {"stays"}:
        before, after = (int(line.split(": ")[1].split()[0]) for line in said if line.startswith(f"  {key} "))
        assert before > 2 >= after, key
    # The whole backtest says so too.
    found = json.loads(called("backtest", *words, "--format", "json").stdout)
    counts = {one["alert"]: one["count"] for one in found["notified"]}
    assert counts["Stays"] == 1
    assert all(count <= 2 for count in counts.values())


SPEC = """\
# Who wrote this knows why.
spec:
  slos:
    - name: drift   # first
      alerts:
        - {name: Drift, when: {above: 0.20}, for: 10m}   # from a tutorial
        - name: Other
          when:
            all:
              - {below: 7e-1}  # kept
"""


def test_only_the_values_change() -> None:
    document = parse(Path("slo.yaml"), SPEC)
    alerts = ("spec", "slos", 0, "alerts")
    values = {
        (*alerts, 0, "when", "above"): "0.31",
        (*alerts, 0, "for"): "30m",
        (*alerts, 1, "when", "all", 0, "below"): "0.65",
        (*alerts, 1, "for"): "1h",
    }
    expected = SPEC.replace("0.20", "0.31").replace("for: 10m", "for: 30m").replace("7e-1", "0.65")
    assert replaced(document, SPEC, values) == expected.replace(
        "          when:", "          for: 1h\n          when:"
    )
    inside = SPEC.replace(", for: 10m", "")
    assert "{name: Drift, for: 30m, when: {above: 0.20}}" in replaced(
        parse(Path("slo.yaml"), inside), inside, {(*alerts, 0, "for"): "30m"}
    )


@pytest.mark.parametrize(
    "text",
    [
        "x-limit: &limit 0.2\nspec:\n  when: {above: *limit}\n",
        "x-when: &when {when: {above: 0.2}}\nspec: {name: A,\n   <<: *when}\n",
    ],
)
def test_a_value_that_stands_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="by hand") as refused:
        replaced(parse(Path("slo.yaml"), text), text, {("spec", "when", "above"): "0.3"})
    assert refused.value.problems[0].file == "slo.yaml"


def test_numbers_that_a_person_would_write() -> None:
    found = [str(value) for value in rounded(0.18, 0.23, 2)]
    assert found == ["0.17", "0.18", "0.19", "0.20", "0.21", "0.22", "0.23", "0.24"]
    assert [float(value) for value in rounded(-2, 2, 1)][:3] == [-3, -2, -1]
    assert list(rounded(0, 0, 2)) == []


@pytest.mark.parametrize(
    ("incident", "message"),
    [
        ({"from": "2026-01-01", "until": "2026-01-02T00:00:00Z"}, "expected a time such as"),
        ({"from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "expected a time after"),
        (
            {"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "alert": "Drifts"},
            "did you mean 'Drift'?",
        ),
    ],
)
def test_a_mistake_in_incidents_has_its_place(incident: dict[str, Any], message: str, tmp_path: Path) -> None:
    specs = specs_of(tmp_path, {"name": "Drift", "tier": "P2", "when": {"above": 0.2}})
    marked = incidents(tmp_path, incident)
    done = called("tune", *specs, "--history", tmp_path / "history", "--incidents", marked, code=2)
    assert message in done.stderr
    assert done.stderr.startswith(f"{marked}:")


@pytest.mark.slow
def test_what_to_do_with_alerts_that_nobody_acted_on(tmp_path: Path) -> None:
    steps = range(0, 3 * 24 * HOUR + 1, 600)

    def outcomes(alert: str, **most: int) -> dict[str, list[tuple[float, float]]]:
        """Return counters of `act`, which begin at 0 and reach ``most`` on the last day."""
        return {
            f'ml_alert_actions_total{{model="fraud",alertname="{alert}",outcome="{name}"}}': [
                (START + s, most.get(name, 0) * (s > 60 * HOUR)) for s in steps
            ]
            for name in ("acted", "acknowledged", "silenced", "ignored")
        }

    alerts = [
        {"name": name, "tier": tier, "when": {"above": 0.2}, "for": "10m"}
        for name, tier in (("Drift", "P1"), ("Lowest", "P2"), ("Answered", "P1"), ("Quiet", "P1"))
    ]
    specs = specs_of(tmp_path, *alerts)
    samples: Samples = {
        SERIES: [(START + s, waves(s / HOUR)) for s in steps],
        **outcomes("Drift", ignored=5, silenced=3),
        **outcomes("Lowest", ignored=1),
        **outcomes("Answered", ignored=7, acknowledged=1),
        **outcomes("Quiet"),
        # In no spec any more.
        **outcomes("Gone", ignored=4),
    }
    past = write_history(tmp_path / "history", samples, START, START + 3 * 24 * HOUR, "10m")
    words = [*specs, "--history", past, "--tools", tool("prometheus").parent]
    said = called("tune", *words, "--pages-per-quarter", 20).stdout.splitlines()
    begin = said.index(
        "Drift (fraud): 8 times in 3 days, silenced 3 of them, and nobody acted on it or acknowledged it"
    )
    assert said[begin + 1 :] == [
        "  set above 0.3 for 10m: 1 page in this history instead of 4",
        "  or lower its tier to P2",
        "  or delete it",
        "Lowest (fraud): once in 3 days, and nobody acted on it or acknowledged it",
        "  set above 0.3 for 10m: 1 page in this history instead of 4",
        "  or delete it",
    ]
    text = called("backtest", *words).stdout
    assert "Nobody acted (alert-nobody-acts-on)\n  Drift   fraud  8 times in 3 days" in text
