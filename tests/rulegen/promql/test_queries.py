"""Queries that users write: what is taken loads in Prometheus, and a mistake has a place."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlslo.yamlfile import Duration, read
from rulegen.promql.query import (
    QueryError,
    grouped_by,
    is_always_there,
    parse,
    parse_windowed,
    refuse_unsupported,
    value_filter,
)
from rulegen.promql.query.mistakes import FUNCTIONS, GONE, NEWER
from rulegen.promql.versions import at_least
from rulegen.sli import query_series
from rulegen.spec.model_slo import Slo
from tests.cases.trial import tried
from tests.support import paths
from tests.support.properties import examples
from tests.support.tools import chosen, tool

TAKEN = [
    "x",
    'x{a="b",c!="d",e=~"f|g",h!~"i.*"}',
    "{__name__='a'}",
    "sum by (a) (rate(x[5m])) / on (a) group_left (b) y",
    "max(x) without (instance)",
    "histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m])))",
    "avg_over_time((x > 1)[1h:1m])",
    "x unless on (a) y",
    "x offset 5m @ end()",
    "x offset -1h30m",
    "topk(3, x) or vector(0)",
    "count_values('a', x)",
    "label_replace(x, 'a', '$1', 'b', '(.*)')",
    "holt_winters(x[1h], 0.3, 0.3)",
    "predict_linear(x[1h], 3600) # tomorrow",
    "-x ^ 2 % 3 atan2 y",
    "x > bool 3",
    "absent(x{a='b'})",
    "quantile(0.5, x)",
    "scalar(x) * y",
    "last_over_time(x[1d])",
    "day_of_week() > 3",
    "x == Inf",
    "x * 0x1f",
    "sum_over_time(x[1h] offset 1d)",
    "group by (le) (x)",
    "clamp(x, 0, 1)",
    "increase(x[1w])",
    "sum(x)\nby (a)\n+ 1",
]
REFUSED = [
    "",
    "sum(x",
    "x)",
    "rate(x)",
    "rat(x[5m])",
    "sum by a (x)",
    "x{a=b}",
    "x{a='b'",
    "x{a=~'('}",
    "x +",
    "x y",
    "x[5x]",
    "topk(x)",
    "clamp(x, 1)",
    "x and 1",
    "1 > 2",
    "x / on (a) group_left (a) y",
    "abs('a')",
    "x offset",
    "$x",
    "rate(x[300])",
    "x * 5m",
    "{'x'}",
    "{a=''}",
    "x{a='b' or c='d'}",
    "x + fill(0) y",
    "limitk(2, x)",
    "info(x)",
    "mad_over_time(x[5m])",
    "sort_by_label(x, 'a')",
    "double_exponential_smoothing(x[1h], 0.3, 0.3)",
    "histogram_avg(x)",
    "x{día='a'}",
    "día",
    "x[30m1h]",
    "x[5m][5m]",
    "x offset 1h offset 2h",
]
# Right, and no instant vector: Prometheus would record a scalar without labels, or refuse it.
OTHER_TYPES = {
    "1 + 2": "a scalar",
    "time()": "a scalar",
    "x[5m]": "a range vector",
    "x[5m:1m]": "a range vector",
}


def taken(text: str, oldest: str = "2.42", newest: str = "") -> bool:
    try:
        refuse_unsupported(parse(text), oldest, newest or oldest)
    except QueryError:
        return False
    return True


def test_prometheus_agrees_on_what_a_query_is(tmp_path: Path) -> None:
    """Each query as a recording rule of its own."""
    version = chosen() or "2.42"
    names: dict[str, str] = {}
    for number, text in enumerate([*TAKEN, *REFUSED]):
        path = tmp_path / f"{number}.yaml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "r", "expr": text}]}]}))
        names[str(path)] = text
    done = subprocess.run([tool("promtool"), "check", "rules", *names], capture_output=True, text=True)
    failed = {names[path] for path in re.findall(r"(?m)^\s*(\S+\.yaml): ", done.stdout + done.stderr)}
    # Names in quotes are read by 2.53 too; that anything has such a name is behind a flag there.
    early = {"{'x'}"} if version == "2.53" else set()
    assert {text for text in names.values() if not taken(text, version)} == failed | early
    if version == "2.42":
        assert failed == set(REFUSED)


def test_prometheus_knows_each_function_from_its_gate_on(tmp_path: Path) -> None:
    """A call without arguments is refused for its number where the function is known, else for its name."""
    version = chosen() or "2.42"
    for name in FUNCTIONS:
        rules = [{"record": "r", "expr": f"{name}()"}]
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    command: list[str | Path] = [tool("promtool"), "check", "rules", *tmp_path.glob("*.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    unknown = set(re.findall(r'unknown function with name "(\w+)"', done.stdout + done.stderr))
    late = {name for name, since in NEWER.items() if not at_least(version, since)}
    assert unknown == late | {name for name, since in GONE.items() if at_least(version, since)}


@pytest.mark.parametrize(("text", "said"), OTHER_TYPES.items())
def test_only_an_instant_vector_is_taken(text: str, said: str) -> None:
    with pytest.raises(QueryError, match=f"^expected an instant vector, got {said}"):
        parse(text)


def test_functions_are_those_of_the_target() -> None:
    assert taken("holt_winters(x[1h], 0.3, 0.3)", "2.42", "2.53")
    assert not taken("holt_winters(x[1h], 0.3, 0.3)", "2.42", "3.5")
    assert not taken("double_exponential_smoothing(x[1h], 0.3, 0.3)", "3.0")
    assert taken("histogram_avg(x)", "2.51.1")
    assert not taken("histogram_avg(x)", "2.42", "3.5")
    assert taken("x * 5m + rate(x[300])", "3.0")
    assert not taken("x @ end()", "2.32")
    assert not taken("x offset -5m", "2.32")


@pytest.mark.parametrize("text", [text for text in REFUSED if text])
def test_a_mistake_has_a_place_inside_the_query(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        refuse_unsupported(parse(text), "2.42", "2.42")
    assert 0 <= caught.value.offset <= len(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("sum by (a) (x) y", "y"),
        ("sum(x) by (1)", "1"),
        ("x > > y", "> y"),
        ("a + rate(b[5m]) rate(c[5m])", "rate(c"),
        ("max(x{a='b' c='d'})", "c="),
        ("sum(a) / (sum(b) by)", "by"),
        ("x{a=b}", "b"),
    ],
)
def test_the_first_wrong_word_is_found(text: str, at: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.offset == text.rindex(at)


QUERIES = st.text(st.sampled_from("ab (){}[]\"'\\#:|>-,\n 1"), min_size=1, max_size=40)


@given(text=QUERIES, style=st.sampled_from([None, "'", '"', "|", ">"]), data=st.data())
@settings(max_examples=examples(200), deadline=None)
def test_a_character_is_found_in_every_style_of_yaml(
    tmp_path_factory: pytest.TempPathFactory, text: str, style: str | None, data: st.DataObject
) -> None:
    visible = [index for index, character in enumerate(text) if not character.isspace()]
    if not visible:
        return
    offset = data.draw(st.sampled_from(visible))
    path = tmp_path_factory.getbasetemp() / "scalar.yaml"
    path.write_text(yaml.dump({"first": 1, "q": {"text": text}}, default_style=style, width=20), newline="\n")
    document = read(path)
    assert document.data["q"]["text"] == text
    problem = document.problem_within(("q", "text"), offset, "here")
    lines = path.read_text().split("\n")
    found = lines[problem.line - 1][problem.column - 1 :]
    assert text[offset] in (found[:1], found[1:2] if found.startswith("\\") else "")
    # Counted from the end, no more characters than are left of the text may follow.
    rest = "".join([found, *lines[problem.line :]])
    assert sum(character == text[offset] for character in rest) >= text[offset:].count(text[offset])


@given(text=st.text(st.sampled_from("xyab (){}[]\"'=~!#:|<>-+*/,.\n15mo"), max_size=30))
@settings(max_examples=examples(500), deadline=None)
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        query = parse(text)
        refuse_unsupported(query, "2.42", "2.42")
        found = value_filter(query)
        offset = found[1] if found else 0
    except QueryError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)


@pytest.mark.parametrize("text", TAKEN)
def test_a_value_filter_stands_where_it_is_said_to(text: str) -> None:
    found = value_filter(parse(text))
    assert found is None or text[found[1] :].startswith(found[0])


FILTERED = [
    "a §> 0.5",
    'max(a{b!="c>d"} §> 0.5) # > 3',
    "a / (b §> 5)",
    "sum(a) + §absent(b)",
    "avg_over_time((a §> 1)[1h:1m])",
    "a > bool 1 and on () b §>= 100",
    "a unless b §== 1",
    "scalar(a §< 1) * b",
    "topk(scalar(a §> 1), b)",
    # It stands there twice.
    "§x > 1 and y > 2",
]
NOT_FILTERED = [
    "a",
    "a > bool 0.5",
    "count(a > 1) or vector(0)",
    "absent(a) or vector(0)",
    "a / (b > 0)",
    "a / b != bool 0",
    "a unless b",
    "a and b",
    "a or b > 2",
    "sum by (absent) (a)",
]


@pytest.mark.parametrize("marked", FILTERED)
def test_what_has_no_value_though_its_series_are_there(marked: str) -> None:
    """§ is where it has to point."""
    found = value_filter(parse(marked.replace("§", "")))
    assert found is not None
    assert found[1] == marked.index("§")


@pytest.mark.parametrize("text", NOT_FILTERED)
def test_what_has_a_value_wherever_its_series_are(text: str) -> None:
    assert value_filter(parse(text)) is None


@pytest.mark.parametrize(
    ("text", "grouping"),
    [
        ("sum by (tenant) (rate(a[{{.window}}]))", "by (tenant)"),
        ("sum(rate(a[{{.window}}])) by (job, tenant)", "by (job, tenant)"),
        ("sum without (instance) (rate(a[{{.window}}]))", "without (instance)"),
        ("sum(rate(a[{{.window}}])) + on () group_left () sum by (b) (rate(c[{{.window}}]))", None),
        ("sum by (job) (rate(a{job='b'}[{{.window}}]))", None),
        ("sum(sum by (tenant) (rate(a[{{.window}}])))", None),
        ("rate(a[{{.window}}])", None),
    ],
)
def test_a_grouping_of_the_result_is_found(text: str, grouping: str | None) -> None:
    found = grouped_by(parse_windowed(text))
    assert (found and found[0]) == grouping
    assert found is None or text[found[1] :].startswith(found[0])


@pytest.mark.parametrize(
    ("better", "labels", "expected"),
    [
        ("lower", ["route"], {'{route="a"}': 3.0, '{route="b"}': 5.0}),
        ("higher", ["route"], {'{route="a"}': 2.0, '{route="b"}': 5.0}),
        ("lower", [], {"{}": 5.0}),
    ],
)
def test_a_query_is_recorded_with_its_labels_and_the_worst_of_the_rest(
    better: str, labels: list[str], expected: dict[str, float], tmp_path: Path
) -> None:
    """NaN is no value of it."""
    query = {"query": "q + 1", "labels": labels, "better": better}
    slo = Slo.model_validate({"name": "s", "layer": "service", "sli": {"promql": query}})
    assert slo.sli.promql is not None
    series = query_series.of(
        "zoo", slo.name, "service", slo.sli.promql, Duration("1m"), looks_low=slo.looks_low
    )
    group = {"name": "g", "rules": [series.rule().as_data()]}
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [group]}))
    given_series = {'route="a",pod="1"': "1", 'route="a",pod="2"': "2", 'route="b"': "4", 'route="c"': "NaN"}
    check = {
        "expr": f"sum by (route) ({series.record})",
        "eval_time": "0s",
        "exp_samples": [{"labels": own, "value": value} for own, value in expected.items()],
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": f"q{{{own}}}", "values": value} for own, value in given_series.items()],
        "promql_expr_test": [check],
    }
    path = tmp_path / "test.yaml"
    path.write_text(json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("sum(a) or vector(0)", True),
        ("vector(1) unless a", True),
        ("absent(a)", True),
        ("vector(time()) - 5", True),
        ("sum(vector(scalar(a)))", True),
        ("hour() > 5", True),
        ("label_replace(vector(1), 'a', 'b', 'c', 'd')", True),
        ("a or b", False),
        ("vector(1) and a", False),
        ("time() - a", False),
        ("clamp_min(rate(a[5m]), 0)", False),
        ("vector(1) + on () sum(a)", False),
        ("max_over_time(a[1h:5m])", False),
    ],
)
def test_what_has_a_value_where_nothing_is_scraped(text: str, there: bool) -> None:
    assert is_always_there(parse(text).tree) == there


def test_prometheus_agrees_on_what_has_a_value_where_nothing_is_scraped(tmp_path: Path) -> None:
    texts = [
        "sum(a) or vector(0)",
        "vector(1) unless a",
        "absent(a)",
        "hour()",
        "time() - a",
        "vector(1) and a",
        "a or b",
    ]
    checks = [
        {"expr": f"count({text}) or vector(0)", "eval_time": "1m",
         "exp_samples": [{"labels": "{}", "value": int(is_always_there(parse(text).tree))}]}
        for text in texts
    ]  # fmt: skip
    file = {
        "rule_files": [],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "promql_expr_test": checks}],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(file))
    done = subprocess.run(
        [tool("promtool"), "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_query_that_always_has_a_value_is_said_to_be_untested(tmp_path: Path) -> None:
    spec = tmp_path / "slo.yaml"
    spec.write_text(
        "apiVersion: mlslo/v1\nkind: ModelSLO\nmetadata: {name: m}\nspec:\n  model: m\n"
        "  noData: {tier: P2, after: 5m}\n  slos:\n"
        "    - name: queue\n      layer: service\n"
        '      sli: {promql: {query: "sum(queue_length) or vector(0)"}}\n'
        "      objective: 99\n      timeWindow: 7d\n      good: {below: 50}\n"
        "      alerts:\n        - {name: QueueLong, tier: P2, when: {above: 100}, for: 5m}\n"
    )
    trial = tried([spec, paths.ROUTING], proved=True)
    assert not trial.failed
    assert not trial.untold
    assert {one.alert.name for one, _ in trial.noted} == {
        "QueueLong", "SLONoData", "ErrorBudgetFastBurn", "ErrorBudgetSlowBurn",
    }  # fmt: skip
