"""The generated tests prove something: rules that were changed fail them.

A few of the thousands of mutants that `python -m tests.mutations` tries, chosen at random but always the same.
"""

import random

import pytest

from tests.mutations.__main__ import CORPUS, ROUTING, generate
from tests.mutations.equivalent import why, why_not_caught
from tests.mutations.expressions import variants
from tests.mutations.judge import Verdict, subjects, verdicts
from tests.mutations.rules import mutants

pytestmark = pytest.mark.one_version

# Of each group of rules.
SAMPLE = 5
# Of all mutants 95 % must be caught, and of those that are not nearly all be listed; a sample may be less lucky.
CAUGHT, LISTED = 0.93, 0.98


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    rng = random.Random(7)
    found: list[Verdict] = []
    # What takes as long as all others, and has other forms of the same, is left to the command.
    specs = [path for path in sorted(CORPUS.glob("*.yaml")) if path.stem != "objectives"]
    for path in generate(tmp_path_factory.mktemp("mutations"), [*specs, ROUTING]):
        for subject in subjects(path):
            known = [mutant for mutant in subject.mutants if not why(mutant)]
            found += verdicts(subject, rng.sample(known, min(SAMPLE, len(known))))
    return found


def test_changed_rules_fail_their_tests(tried: list[Verdict]) -> None:
    valid = [verdict for verdict in tried if not verdict.invalid]
    survivors = [verdict.mutant for verdict in valid if not verdict.caught]
    unlisted = [str(mutant) for mutant in survivors if not why_not_caught(mutant)]
    assert len(valid) > 100
    assert len(survivors) <= (1 - CAUGHT) * len(valid), "\n".join(map(str, survivors))
    assert len(unlisted) <= (1 - LISTED) * len(valid), "\n".join(unlisted)


def test_mutants_of_an_expression_are_made_on_its_tree() -> None:
    text = 'sum by (a) (rate(x{a="b"}[5m] offset 1d)) > on (a) group_left () 0.5 * y{a="b"} and z >= 3'
    found = {change.what: change.expression for change in variants(text).changes}
    assert {
        "sum -> avg", "by without a", "rate -> irate", "no matcher of a", "another a", "any other a",
        "[300s] -> [240s]", "[300s] -> [375s]", "no offset", "> -> >=", "> -> <", "on without a", "no group_left ()",
        "0.5 -> 0.525", "0.5 -> 0.475", "* -> /", "and -> or", "and -> unless", "3 -> 4", "3 -> 2",
        "what is after and left out", "what is before and left out", ">= -> >",
    } <= set(found)  # fmt: skip
    for expression in found.values():
        variants(expression)


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        # The other side of `and` has the label.
        ('a{m="x"} > 1 and b{m="x"} > 2', "no matcher of m"),
        # Nothing comes of the labels of what is only looked at.
        ('absent(a) and on () min by (m) (b{m="x"}) > 2', "by without m"),
        ('0 * sum by (m) (rate(a{m="x"}[5m]))', "rate -> increase"),
        ('count by (m) (a{m="x"} + 1)', "1 -> 2"),
        ("sum(sum by (code) (rate(a[5m])))", "by without code"),
        # 11 / 21600 lies between two floats, whose products are less and more than 11.
        ("a * 21600 >= 11", ">= -> >"),
        # The many keep their labels, which are matched later.
        ('a{m="x"} > on () group_left () b and c{m="x"} > 1', "no matcher of m"),
        ("max by (q) (sum by (q) (a) / 2)", "max -> avg"),
        ("ml_model_accuracy >= -Inf", ">= -> >"),
    ],
)
def test_changes_without_effect_are_told(expression: str, what: str) -> None:
    assert all(change.same for change in variants(expression).changes if change.what == what)
    assert any(change.what == what for change in variants(expression).changes)


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ('a{m="x"} > 1 or b{m="x"} > 2', "no matcher of m"),
        ('a{m="x"} > 1 and on () b{m="x"} > 2', "no matcher of m"),
        ('sum by (m) (rate(a{m="x"}[5m])) > 0', "rate -> increase"),
        ('sum(a{m="x"}) > 1 and b{m="x"}', "no matcher of m"),
        ("count by (m) (a > 1)", "1 -> 2"),
        ("sum(max by (code) (rate(a[5m])))", "by without code"),
        ("sum by (code) (sum by (code) (a))", "by without code"),
        ("a * 21600 >= 10", ">= -> >"),
        ("a * 21600 >= 11", ">= -> <"),
        ("a + 21600 >= 11", ">= -> >"),
        ('a{m="x"} > on () group_left () b', "no matcher of m"),
        ("max by (q) (sum by (q, r) (a))", "max -> avg"),
        ("queue >= -Inf", ">= -> >"),
    ],
)
def test_changes_with_an_effect_are_not(expression: str, what: str) -> None:
    found = [change for change in variants(expression).changes if change.what == what]
    assert found
    assert not all(change.same for change in found)


def test_what_is_missing_has_the_labels_that_it_was_asked_for() -> None:
    assert variants('absent(a{m="x"})').has == {"m": "x"}
    assert variants('absent(a{m="x"} > 1)').has == {}


@pytest.mark.parametrize(
    ("rule", "same"),
    [
        ({"alert": "A"}, True),
        ({"alert": "A", "annotations": {"summary": "it is {{ $value }}"}}, False),
        ({"alert": "A", "labels": {"size": "{{ $value }}"}}, False),
        ({"record": "a"}, False),
    ],
)
def test_the_value_of_an_alert_matters_where_it_is_told(rule: dict[str, object], same: bool) -> None:
    group = {"name": "g", "interval": "1m", "rules": [{**rule, "expr": "vector(1)"}]}
    found = [mutant for mutant in mutants(group) if mutant.what == "1 -> 2"]
    assert [bool(mutant.same) for mutant in found] == [same]


def test_ranges_with_as_many_evaluations_are_the_same() -> None:
    recorded = {"record": "bad", "expr": "a > bool 1"}
    alerts = [
        {"alert": name, "expr": f"sum_over_time({of}[{length}]) >= 2"}
        for name, of, length in (("Own", "bad", "239s"), ("Other", "a", "239s"), ("Whole", "bad", "4m"))
    ]
    group = {"name": "group", "interval": "1m", "rules": [recorded, *alerts]}
    found = {(mutant.name, mutant.what): mutant.same for mutant in mutants(group)}
    assert found["Own", "[239s] -> [191200ms]"] == "both have 4 evaluations"
    assert found["Own", "[239s] -> [298750ms]"] is None
    assert found["Other", "[239s] -> [191200ms]"] is None
    assert found["Whole", "[240s] -> [192s]"] is None
