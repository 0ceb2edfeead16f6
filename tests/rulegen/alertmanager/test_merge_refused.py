"""generate --base: what a base is refused for, with its place."""

from pathlib import Path

import pytest
import yaml

from tests.support.bases import BASE, merged, refused

ROUTE = "route: {receiver: a}\n"


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("", "1:1: expected a YAML mapping, the file is empty"),
        ("- a\n", "1:1: expected a mapping with route and receivers, as alertmanager.yaml is one"),
        ("receivers: []\n", "1:1: missing key 'route': an alertmanager.yaml has one"),
        ("route:\n  routes: []\n", "2:3: expected a mapping with a receiver, as the root route is one"),
        ("route: {receiver: a, routes: x}\n", "1:30: expected a list under route.routes"),
        (ROUTE + "receivers: {}\n", "2:12: expected a list under receivers"),
        (ROUTE + "receivers:\n  - a\n", "3:5: expected a mapping with a name in receivers"),
        (ROUTE + "route: {}\n", "2:1: duplicate key 'route', first given at line 1"),
        (
            ROUTE + "receivers: &r\n  - name: a\ninhibit_rules: *r\n",
            "4:1: an alias cannot be added to; write out what it stands for",
        ),
        (
            ROUTE + "receivers:\n  - name: a\n  - name: oncall\n    slack_configs: []\n",
            "4:11: the receiver 'oncall' is another one in the AlertRouting file; rename one of the two",
        ),
        (
            ROUTE + "mute_time_intervals: [{name: retraining}]\n",
            "2:30: the time interval 'retraining' is another one in the AlertRouting file; rename one of the two",
        ),
        (
            "x-r: &r {routes: []}\nroute:\n  receiver: a\n  <<: *r\n",
            "1:10: an alias cannot be added to; write out what it stands for",
        ),
        (
            ROUTE + "# BEGIN mlslo-rulegen\n",
            "2:1: '# BEGIN mlslo-rulegen' without an '# END mlslo-rulegen'; all between the two is ours and replaced",
        ),
        (
            ROUTE + "  # END mlslo-rulegen\n",
            "2:1: '# END mlslo-rulegen' without a '# BEGIN mlslo-rulegen'; all between the two is ours and replaced",
        ),
    ],
)  # fmt: skip
def test_a_base_that_cannot_be_added_to_is_refused_with_its_place(
    base: str, said: str, tmp_path: Path
) -> None:
    assert refused(base, tmp_path) == [said]


def test_places_are_those_of_the_file_as_it_is_with_our_part_in_it(tmp_path: Path) -> None:
    text = merged(BASE, tmp_path).replace("    - name: night", "    - name: oncall")
    line = len(text.splitlines()) - text.splitlines()[::-1].index("    - name: oncall")
    problems = refused(text, tmp_path)
    assert problems == [
        f"{line}:13: the receiver 'oncall' is another one in the AlertRouting file; rename one of the two"
    ]


def test_lines_end_as_they_end_in_yaml(tmp_path: Path) -> None:
    """Not with a line feed alone: places behind our part are right where they end otherwise."""
    text = merged(BASE, tmp_path).replace("    - name: night", "    - name: oncall")
    line = text[: text.rindex("    - name: oncall")].count("\n") + 1
    for end in ("\n", "\r\n", "\r", "\x85", "\u2028"):
        assert refused(text.replace("\n", end), tmp_path)[0].startswith(f"{line}:13: the receiver 'oncall'")


def test_our_route_without_its_marks_is_not_written_twice(tmp_path: Path) -> None:
    """As a formatter leaves it that drops comments."""
    bare = yaml.safe_dump(yaml.safe_load(merged(BASE, tmp_path)), sort_keys=False)
    problems = refused(bare, tmp_path)
    assert len(problems) == 1
    assert "a route of mlslo-rulegen without its marks" in problems[0]
