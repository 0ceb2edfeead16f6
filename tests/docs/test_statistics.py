"""The pages about statistics: every metric on one of them, their numbers run, their quotes the code's."""

import doctest
import re

import pytest

from docs.generate import statistics
from docs.generate.statistics import HEADINGS, Page
from mlslo.catalogue import METRICS, Layer
from tests.support.paths import ROOT

PAGES = statistics.pages(ROOT)
LAYERS = (Layer.DATA, Layer.PREDICTION, Layer.OUTCOME, Layer.FAIRNESS)


def test_every_metric_is_defined_on_exactly_one_page() -> None:
    defined = [metric for page in PAGES for metric in page.metrics]
    expected = [metric.name for metric in METRICS.values() if metric.layer in LAYERS]
    assert len(expected) > 70
    for name in expected:
        assert defined.count(name) == 1, name
    assert set(defined) <= set(METRICS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_the_five_headings_and_something_below_each(page: Page) -> None:
    parts = re.split(r"^## (.*)\n", page.text, flags=re.MULTILINE)
    assert tuple(parts[1::2]) == HEADINGS
    assert page.text.startswith(f"# {page.title}\n\n")
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        assert len(text.split()) > 10, heading


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_worked_numbers_are_what_the_code_says(page: Page) -> None:
    examples = doctest.DocTestParser().get_doctest(page.text, {}, page.name, page.path, 0)
    assert examples.examples, "a page has a worked number"
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    result = runner.run(examples, out=said.append)
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_bounds_are_quoted_from_the_code(page: Page) -> None:
    bound = page.text.split("\n## Bound\n", 1)[1].split("\n## ", 1)[0]
    functions = re.findall(r"^<!-- docstring: ([\w.]+) -->$", bound, re.MULTILINE)
    assert page.quoting == page.text, "run scripts/docs"
    quotes = re.findall(r"(?:^>.*\n)+", bound, re.MULTILINE)
    assert len(quotes) == len(functions)
    if page.name != "references.md":
        assert functions, "a statistic's bound is its docstring's"
    if functions and page.name == "drift-of-numbers.md":
        assert "largest min(p, q) of any bin" in bound


def test_a_quote_of_what_is_not_there_is_named() -> None:
    page = Page(
        "docs/statistics/x.md", "# X\n\n<!-- docstring: exporter.statistics.divergences.helinger -->\n"
    )
    with pytest.raises(ValueError, match=r"exporter\.statistics\.divergences\.helinger: no such function"):
        _ = page.quoting
    right = Page("docs/statistics/x.md", page.text.replace("helinger -->", "hellinger_distance -->\n> old"))
    assert "> `hellinger_distance`: sqrt(1 - sum(sqrt(p \\* q)))" in right.quoting
    assert "> old" not in right.quoting


def test_the_index_and_the_list_of_metrics_lead_to_every_page() -> None:
    index = (ROOT / statistics.INDEX).read_text(encoding="utf-8")
    metrics = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"[{page.title}]({page.name}) | {page.question} |" in index
        for name in page.metrics:
            assert f"| [`{name}`](statistics/{page.name}) |" in metrics
    for page in PAGES:
        assert page.question.endswith("?"), "the first sentence is what the page answers"
