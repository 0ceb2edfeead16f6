"""An inhibition that compares a label which alerts on one side lack."""

from collections.abc import Iterator, Sequence

from mlslo.yamlfile import quoted_list
from rulegen.lint.finding import Finding, Placed, Run
from rulegen.lint.inhibitions import inhibitions


def find(run: Run) -> Iterator[Finding]:
    for sides in inhibitions(run):
        for index, label in enumerate(sides.inhibit.equal):
            for side, alerts in (("source", sides.sources), ("target", sides.targets)):
                if without := _without(alerts, label):
                    many = (
                        f"no {side} has"
                        if len(without) == len(alerts)
                        else f"the {side}s {_names(without)} lack"
                    )
                    effect = "this silences nothing" if len(without) == len(alerts) else (
                        "they silence nothing" if side == "source" else "they are never silenced"
                    )  # fmt: skip
                    message = f"{many} the label '{label}': {effect}"
                    yield Finding(run.routing.document, (*sides.location, "equal", index), message)


def _without(alerts: Sequence[Placed], label: str) -> list[Placed]:
    return [
        alert
        for alert in alerts
        if label != "alertname" and label not in alert.labels and label not in alert.rule.series_labels
    ]


def _names(alerts: Sequence[Placed]) -> str:
    return quoted_list(dict.fromkeys(alert.rule.name for alert in alerts), 4)
