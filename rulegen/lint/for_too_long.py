"""A `for` of burn-rate alerts that is longer than trouble is seen over a short window."""

from collections.abc import Iterator

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
                message = (
                    f"for {asked} is longer than the short window {pair.short}: trouble that spends the budget at once "
                    f"is over in it before the {pair.speed} alert fires; expected at most {pair.short}"
                )
                yield Finding(plan.file.document, ("spec", "slos", index, "alerting", "for"), message)
