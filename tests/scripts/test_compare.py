"""scripts/compare: a difference in a rule, a list or a gauge is a line; equal values are none."""

from typing import Any

from tests.compare.__main__ import differences, leaves


def rules(expression: str, *labels: dict[str, str]) -> dict[str, Any]:
    return {
        "groups": [
            {"name": "g", "rules": [{"alert": "A", "expr": expression, "labels": label} for label in labels]}
        ]
    }


def lines(old: object, new: object) -> list[str]:
    return list(differences(dict(leaves(old, "f")), dict(leaves(new, "f"))))


def test_a_changed_expression_is_named_with_its_rule() -> None:
    assert lines(rules("x > 1", {"slo": "s"}), rules("x > 2", {"slo": "s"})) == [
        '  f: groups: g: rules: A s: expr: "x > 1" → "x > 2"'
    ]


def test_an_added_rule_leaves_its_neighbours_equal() -> None:
    added = lines(rules("x", {"slo": "b"}), rules("x", {"slo": "a"}, {"slo": "b"}))
    assert added
    assert all(line.startswith("+ f: groups: g: rules: A a: ") for line in added)


def test_order_of_a_list_without_names_counts() -> None:
    assert lines([1, 2], [2, 1]) == ["  f: 0: 1 → 2", "  f: 1: 2 → 1"]


def test_numbers_are_equal_within_a_billionth_and_types_are_told_apart() -> None:
    assert lines({"g": 0.1 + 0.2, "h": float("nan")}, {"g": 0.3, "h": float("nan")}) == []
    assert lines({"g": 0.30000001}, {"g": 0.3}) == ["  f: g: 0.30000001 → 0.3"]
    assert lines({"g": 1}, {"g": "1"}) == ['  f: g: 1 → "1"']
    assert lines({"g": [], "h": 1}, {"h": 1}) == ["- f: g: []"]
