"""What a base's inhibition can do to our alerts: whatever it does to any of them was said."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.alertmanager.matchers import match_all
from rulegen.cli import main
from rulegen.lint.inhibited_by_base import _kinds, _said
from rulegen.promql.conventions import WATCHDOG_IDENTITY, AlertIdentity
from rulegen.simulation.alert import Alert, Labels
from rulegen.simulation.suppression import InhibitRule
from tests.support.paths import CONTRACT

pytestmark = pytest.mark.slow

POOL = {
    "alertname": ("FastBurn", "Drift", "Theirs"),
    "model": ("fraud", "churn"),
    "slo": ("latency", "psi"),
    "layer": ("service", "data"),
    "tier": ("P1", "P2"),
    "severity": ("critical", "warning"),
    "team": ("risk", "web"),
    "feature": ("amount", "age"),
    "cluster": ("eu", "us"),
}
OURS = ("alertname", "model", "slo", "layer", "tier")


def identity(name: str, model: str, slo: str, layer: str, tier: str, **more: Any) -> AlertIdentity:
    severity = {"P1": "critical", "P2": "warning"}[tier]
    series = more.pop("series", ())
    labels = {"model": model, "slo": slo, "layer": layer, "tier": tier, "severity": severity, **more}
    return AlertIdentity(name, labels, series)


IDENTITIES = (
    identity("FastBurn", "fraud", "latency", "service", "P1", team="risk"),
    identity("FastBurn", "churn", "latency", "service", "P2"),
    identity("Drift", "fraud", "psi", "data", "P2", team="risk", series=("feature",)),
    identity("Drift", "churn", "psi", "data", "P1", series=("feature",)),
    WATCHDOG_IDENTITY,
)


@st.composite
def sides(draw: st.DrawFn) -> list[str]:
    found = []
    for label in draw(st.lists(st.sampled_from(sorted(POOL)), max_size=3, unique=True)):
        values = draw(st.lists(st.sampled_from([*POOL[label], ""]), min_size=1, max_size=2))
        sign = draw(st.sampled_from(["=", "!=", "=~", "!~"]))
        value = "|".join(values) if "~" in sign else values[0]
        found.append(f'{label}{sign}"{value}"')
    return found


@st.composite
def ours(draw: st.DrawFn) -> tuple[AlertIdentity, Labels]:
    one = draw(st.sampled_from(IDENTITIES))
    series = {label: draw(st.sampled_from((*POOL[label], ""))) for label in one.series_labels}
    return one, Labels({**one.labels, **series, "alertname": one.name})


@st.composite
def theirs(draw: st.DrawFn) -> Labels:
    """None has what only ours have."""
    others = {label: draw(st.sampled_from([*values, ""])) for label, values in POOL.items()}
    kept = {label: value for label, value in others.items() if label not in OURS and value}
    return Labels({**kept, "alertname": "Theirs"})


@settings(max_examples=60, deadline=None)
@given(
    source=sides(),
    target=sides(),
    equal=st.lists(st.sampled_from(sorted(POOL)), max_size=3, unique=True),
    pairs=st.lists(st.tuples(ours(), st.one_of(theirs(), ours().map(lambda pair: pair[1]))), min_size=1),
)
def test_whatever_it_silences_was_said(
    source: list[str],
    target: list[str],
    equal: list[str],
    pairs: list[tuple[tuple[AlertIdentity, Labels], Labels]],
) -> None:
    data = {"source_matchers": source, "target_matchers": target, "equal": equal}
    said = _said(InhibitRule.of(data), _kinds(InhibitRule.of(data), IDENTITIES)) or ""
    for (told, labels), by in pairs:
        if labels == by:
            continue
        rule = InhibitRule.of(data)
        if not match_all(rule.source, by) or not match_all(rule.target, labels):
            continue
        rule.receive(Alert(by, 0, 10, 0))
        if rule.inhibiting(labels, 1):
            assert told.name in said, (data, labels, by)
            assert told.labels.get("tier", "the Watchdog") in said
    # Ours have an SLO: what the page advises takes all of them out.
    mended = InhibitRule.of({**data, "target_matchers": [*target, 'slo=""']})
    assert _said(mended, _kinds(mended, IDENTITIES)) is None


def some_side(random: Random) -> list[str]:
    found = []
    for label in random.sample(sorted(POOL), random.randint(0, 3)):
        value = random.choice([*POOL[label], "", "|".join(POOL[label][:2])])
        found.append(f'{label}{random.choice(["=~", "!~"] if "|" in value else ["=", "!="])}"{value}"')
    return found


def test_what_is_said_of_ours_happens() -> None:
    """Where only ours can be the source, and all their values are known, two of ours are found that do it."""
    random = Random(5)
    identities = [AlertIdentity(one.name, one.labels) for one in IDENTITIES]
    known = [Labels({**one.labels, "alertname": one.name}) for one in identities]
    told = 0
    for _ in range(600):
        equal = [random.choice(OURS), random.choice(sorted(POOL))]
        data = {
            "source_matchers": some_side(random),
            "target_matchers": some_side(random),
            "equal": equal,
        }
        said = _said(InhibitRule.of(data), _kinds(InhibitRule.of(data), identities))
        if said is None or "by our own" not in said:
            continue
        told += 1
        rule = InhibitRule.of(data)
        for by in known:
            if match_all(rule.source, by):
                rule.receive(Alert(by, 0, 10, 0))
        silenced = [
            labels
            for labels in known
            if match_all(rule.target, labels) and set(rule.inhibiting(labels, 1)) - {labels}
        ]
        assert silenced, (data, said)
    assert told > 30


BROKEN = [
    "x",
    "{equal: [1, {}], target_matchers: []}",
    "{target_match: {1: a}, equal: [b]}",
    "{target_matchers: [severity], source_matchers: []}",
    "{target_matchers: 5}",
    "{target_match_re: {severity: '('}}",
    "{target_match: severity}",
]


def test_what_alertmanager_would_not_load_is_passed_over(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    rules = [*BROKEN, "{source_matchers: [alertname = A], target_matchers: [severity = info]}"]
    written = "".join(f"- {rule}\n" for rule in rules)
    base.write_text(f"route: {{receiver: a}}\nreceivers: [{{name: a}}]\ninhibit_rules:\n{written}")
    specs = [str(CONTRACT / name) for name in ("fraud.slo.yaml", "routing.yaml")]
    result = CliRunner().invoke(
        main, ["generate", *specs, "--base", str(base), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    (said,) = result.stderr.splitlines()
    assert said.startswith(
        f"{base}:{3 + len(rules)}:3: warning: P3 (FeatureDrift) can be silenced by any alert"
    )
