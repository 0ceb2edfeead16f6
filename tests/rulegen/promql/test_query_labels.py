"""Labels that a query cannot have: a real Prometheus never gives one of them."""

import subprocess
import time
import urllib.error
from collections.abc import Iterator
from random import Random

import pytest

from rulegen.promql.query import labels_of, parse
from tests.support.prometheus import Prometheus
from tests.support.tools import tool

pytestmark = [pytest.mark.chain, pytest.mark.xdist_group("labels of queries")]

NAMES = ("a", "b", "c", "le", "new", "instance")
SERIES = [
    *(f'x{{a="{a}",b="{b}",instance="{i}"}}' for a in "12" for b in "12" for i in "12"),
    *(f'y{{a="{a}",c="{c}"}}' for a in "12" for c in "1"),
    *(f'z{{b="{b}",c="1",le="{le}"}}' for b in "12" for le in ("1", "+Inf")),
    "w",
]
# What may be there, of NAMES.
CERTAIN: list[tuple[str, tuple[str, ...]]] = [
    ("x", NAMES),
    ('x{c="",b!=""}', NAMES),
    ("sum(x)", ()),
    ("sum by (a, c) (x)", ("a", "c")),
    ("sum by (a) (sum by (b) (x))", ()),
    ("sum without (a) (x)", NAMES),
    ("sum without (a) (sum by (a, b) (x))", ("b",)),
    ("topk by (a) (1, x)", NAMES),
    ("count_values by (a) ('new', x)", ("a", "new")),
    ("sum by (a) (x) / on () group_left () sum(y)", ("a",)),
    ("sum by (a) (x) / on (a) group_left (c, b) sum by (a, c) (y)", ("a", "b", "c")),
    ("sum by (a) (x) * ignoring (c) group_right (b) y", NAMES),
    ("sum by (a) (x) * ignoring (c) group_right (b) sum by (a, b, c) (y)", ("a", "b", "c")),
    ("sum by (a, b) (x{b='1'}) / ignoring (b) sum by (a) (y)", ("a", "b")),
    ("sum by (a, b) (x) > sum by (a, c) (x)", ("a", "b", "c")),
    ("sum by (a) (x) or sum by (c) (y)", ("a", "c")),
    ("sum by (a) (x) or sum without (a, b) (x)", NAMES),
    ("x and on (a) sum by (a) (y)", NAMES),
    ("sum by (a) (x) unless x", ("a",)),
    ("label_replace(sum(x), 'new', '$1', 'a', '(.*)')", ("new",)),
    ("label_join(sum by (b) (x), 'new', ',', 'b')", ("b", "new")),
    ("histogram_quantile(0.9, sum by (b, le) (z))", ("b", "le")),
    ("absent(q{a='1',b=~'2'})", NAMES),
    ("vector(1)", ()),
    ("-sum by (a) (x) * 2 > 1", ("a",)),
    ("2 * sum by (a) (x)", ("a",)),
    ("max_over_time((sum by (a) (x))[5m:1m])", ("a",)),
    ("day_of_week()", ()),
]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("labels")
    server = Prometheus(folder / "prometheus", [], [], [])
    now = int(time.time())
    lines: list[str] = []
    for number, series in enumerate(SERIES):
        head = f"# TYPE {series.partition('{')[0]} gauge"
        lines += [head] if head not in lines else []
        lines += [f"{series} {number + 1} {now - age}" for age in (240, 180, 120, 60, 0)]
    (folder / "samples").write_text("\n".join([*lines, "# EOF", ""]))
    command = f"{tool('promtool')} tsdb create-blocks-from openmetrics".split()
    places = [str(folder / "samples"), str(folder / "prometheus" / "data")]
    subprocess.run([*command, *places], check=True, capture_output=True)
    with server:
        yield server


def found(prometheus: Prometheus, text: str) -> set[str]:
    return {name for series in prometheus.query(text) for name in series["metric"]} - {"__name__"}


@pytest.mark.parametrize(("text", "names"), CERTAIN, ids=[text for text, _ in CERTAIN])
def test_what_is_certain(text: str, names: tuple[str, ...], prometheus: Prometheus) -> None:
    kept = labels_of(parse(text))
    assert tuple(name for name in NAMES if kept is None or name in kept) == names
    assert found(prometheus, text) <= set(names)


def written(random: Random, depth: int) -> str:
    """Any vector."""
    if not depth:
        return random.choice(["x", "y", "z", "w", 'x{a="1"}', 'x{c=""}', "sum(y)", "vector(1)"])
    inner = written(random, depth - 1)
    some = ", ".join(random.sample(NAMES, random.randint(0, 3)))
    more = ", ".join(random.sample(NAMES, random.randint(0, 2)))
    kind = random.randrange(10)
    if kind < 2:
        return (
            f"{random.choice(['sum', 'max', 'group'])} {random.choice(['by', 'without'])} ({some}) ({inner})"
        )
    if kind == 2:
        return f"topk by ({some}) (1, {inner})"
    if kind == 3:
        return f"count_values by ({some}) ('{random.choice(NAMES)}', {inner})"
    if kind == 4:
        return f"label_replace({inner}, '{random.choice(NAMES)}', '$1', '{random.choice(NAMES)}', '(.*)')"
    if kind == 5:
        return f"histogram_quantile(0.5, {inner})"
    if kind == 6:
        return f"({inner}) {random.choice('+>')} 1"
    other = written(random, depth - 1)
    matched = random.choice(["", f"on ({some})", f"ignoring ({some})"])
    if kind == 7:
        return f"({inner}) {random.choice(['and', 'or', 'unless'])} {matched} ({other})"
    if matched:
        matched += random.choice(["", f" group_left ({more})", f" group_right ({more})"])
    return f"({inner}) {random.choice('*<')} {matched} ({other})"


def test_no_series_has_a_label_that_it_cannot_have(prometheus: Prometheus) -> None:
    random = Random(7)
    told = certain = 0
    for _ in range(800):
        text = written(random, random.randint(1, 3))
        try:
            names = found(prometheus, text)
        except urllib.error.HTTPError as error:
            # Such as many series for one: Prometheus finds out when it evaluates.
            error.close()
            continue
        kept = labels_of(parse(text))
        assert kept is None or names <= kept, (text, names, kept)
        told += bool(names)
        certain += kept is not None
    assert told > 200, told
    assert certain > 250, certain
