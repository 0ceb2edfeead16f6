"""A `for` of burn-rate alerts that outlasts their short window, and with it what short outages leave there."""

from collections.abc import Iterator

from mlslo.yamlfile import Duration
from rulegen.lint.finding import Finding, Run


def find(run: Run) -> Iterator[Finding]:
    for plan in run.models:
        for index, slo in enumerate(plan.slos):
            budget = slo.budget
            if budget is None or budget.alerting.for_ is None:
                continue
            asked = budget.alerting.for_
            pair = min(budget.pairs, key=lambda one: one.short.seconds)
            if asked.seconds > pair.short.seconds:
                missed = Duration.of_seconds(asked.seconds - pair.short.seconds)
                message = (
                    f"for {asked} is longer than the short window {pair.short}: an outage of {missed} or less raises "
                    f"nothing, whatever it spends; expected at most {pair.short}"
                )
                yield Finding(plan.file.document, ("spec", "slos", index, "alerting", "for"), message)
