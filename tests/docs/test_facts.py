"""Lists on the hand-written pages agree with the code."""

import re
import tomllib

from exporter.measure.gauges import Reason
from exporter.records.columns import LABEL_REASONS, PREDICTION_REASONS
from exporter.sinks.reader import SINKS
from mlslo.catalogue import METRICS
from rulegen.conditions import CONDITIONS
from rulegen.promql.conventions import RESERVED_ALERTS
from rulegen.promql.expressions import number
from rulegen.slo.burn_rate import THIRTY_DAYS
from rulegen.spec.model_slo import Sli
from tests.support.paths import ROOT


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table after a heading."""
    after = text.split(f"\n## {heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert table is not None
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named(cell: str) -> set[str]:
    return set(re.findall(r"`([\w-]+)`", cell))


def test_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = {name for row in rows(page("install"), "Extras") for name in named(row[0])}
    assert listed == set(project["tool"]["mlslo"]["halves"]["exporter"]["extras"])


def test_every_reason_for_a_rejected_record() -> None:
    listed = {name for row in rows(page("exporter"), "A record") for name in named(row[0])}
    own = {reason for kind in SINKS.values() for reason in kind.REASONS}
    assert listed == {*PREDICTION_REASONS, *LABEL_REASONS, *own}


def test_every_reason_for_a_withheld_gauge() -> None:
    listed = {name for row in rows(page("exporter"), "What is withheld, and why") for name in named(row[0])}
    assert listed == set(Reason)


def test_the_burn_rate_windows() -> None:
    text = page("alerts").split("For 30 days:\n", 1)[1]
    listed = re.findall(r"^\| (fast|slow) \| ([\d.]+) \| (\w+) \| (\w+) \| (\d+) % \|$", text, re.MULTILINE)
    month = 30 * 86_400
    assert listed == [
        (pair.speed, number(pair.factor), str(pair.long), str(pair.short), f"{spent:.0f}")
        for pair in THIRTY_DAYS
        for spent in [float(pair.factor) * pair.long.seconds / month * 100]
    ]


def test_every_alert_that_the_generator_names() -> None:
    listed = {name for row in rows(page("alerts"), "What is generated") for name in named(row[1])}
    assert listed == set(RESERVED_ALERTS)


def test_every_condition_and_every_sli() -> None:
    kinds = " ".join(row[0] for row in rows(page("alerts"), "Conditions on gauges"))
    assert set(CONDITIONS) <= set(re.findall(r"\w+", kinds))
    slis = " ".join(row[0] for row in rows(page("alerts"), "Error budgets"))
    assert set(Sli.model_fields) <= set(re.findall(r"\w+", slis))


def test_every_metric_about_the_sinks_and_the_monitor() -> None:
    listed = {name for row in rows(page("operations"), "What its own metrics tell") for name in named(row[0])}
    expected = {name for name in METRICS if name.startswith(("ml_sink_", "ml_monitor_"))}
    assert expected <= listed
    assert listed <= set(METRICS)
