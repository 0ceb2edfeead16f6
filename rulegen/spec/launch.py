"""Launch of a candidate: the decision rule, and the SLOs on gauges that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mlslo.catalogue import Better
from mlslo.monitor.measurable import SEQUENCE, SEQUENTIAL
from mlslo.yamlfile import StrictModel
from rulegen.promql.names import Form, LabelValue
from rulegen.spec.companions import TierName

LAUNCH, ROLL_BACK = "LaunchCandidate", "RollBackCandidate"
_TITLES = {"accuracy": "accuracy", "mae": "mean absolute error", "error_ratio": "error ratio"}


class LaunchTiers(StrictModel):
    """Tiers of both decisions."""

    launch: TierName = Field("P3", description="Of `LaunchCandidate`.")
    rollBack: TierName = Field("P1", description="Of `RollBackCandidate`.")


class Launch(StrictModel):
    """A candidate that is launched or rolled back by what its labels show, in shadow or as a canary."""

    baseline: LabelValue = Field(description="The version in service.")
    candidate: LabelValue = Field(description="The version that may replace it.")
    after: Annotated[
        str,
        Form(
            r"[1-9][0-9]{2,8} (labels|rows)", "a number of labels from 100, such as '1000 labels', or of rows"
        ),
    ] = Field(
        description="No decision before each version has so many labels; `tunedAt` of the monitor file's "
        "`comparison.sequential` says the same."
    )
    statistic: Literal["accuracy", "mae", "error_ratio"] = Field(
        "accuracy",
        description="What decides: `accuracy` of a classifier, `mae` of a regression, or `error_ratio`.",
    )
    margin: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="How much worse than the baseline is good enough, in the statistic's unit; with 0 the candidate "
        "must be shown to be better.",
    )
    tiers: LaunchTiers = Field(
        default_factory=lambda: LaunchTiers.model_validate({}), description="How urgent each decision is."
    )

    @model_validator(mode="after")
    def _are_two(self) -> Launch:
        if self.baseline == self.candidate:
            raise ValueError(f"baseline and candidate are both '{self.baseline}', expected two versions")
        return self

    @property
    def rows(self) -> int:
        """The number in ``after``."""
        return int(self.after.split()[0])

    def slos(self) -> Iterator[dict[str, Any]]:
        """Yield the SLO of each decision, as a file would write it.

        Both hold the same bounds against the same line, so that never both are shown.
        """
        higher = SEQUENTIAL[self.statistic] is Better.HIGHER
        line = -self.margin if higher and self.margin else self.margin
        above, below = ("lower_bound", {"above": line}), ("upper_bound", {"below": line})
        low, high = (f"{word} than that of {{{{ $labels.baseline }}}}" for word in ("lower", "higher"))
        better, worse = (high, low) if higher else (low, high)
        if self.margin:
            worse += f" by more than {self.margin:.10g}"
            better = f"not {worse}"
        name = _TITLES[self.statistic]
        for slo, alert, tier, shown, (bound, when) in (
            ("launch", LAUNCH, self.tiers.launch, better, above if higher else below),
            ("roll-back", ROLL_BACK, self.tiers.rollBack, worse, below if higher else above),
        ):
            verb = "launched" if alert == LAUNCH else "rolled back"
            summary = f"{{{{ $labels.candidate }}}} should be {verb}: its {name} is {shown}"
            rule = (
                f"Decision rule: {verb} once its {name} is shown to be {shown}, with {self.after} or more of each "
                "version. The bounds hold at every look at once: looking often makes no decision less sure. "
                f"The first of {LAUNCH} and {ROLL_BACK} decides. "
                "{{ metric }} is {{ value }}, {{ condition }}."
            )
            gauge = {
                "metric": SEQUENCE + bound,
                "labels": {
                    "baseline": self.baseline,
                    "candidate": self.candidate,
                    "statistic": self.statistic,
                },
            }
            decision = {
                "name": alert,
                "tier": tier,
                "when": when,
                "summary": summary,
                "description": rule,
                "accept": [
                    {"lint": "for-too-short", "reason": "the bounds hold at every look, and one is enough"}
                ],
            }
            yield {
                "name": slo,
                "layer": "service" if self.statistic == "error_ratio" else "outcome",
                "sli": {"gauge": gauge},
                "alerts": [decision],
                "noData": False,
                "accept": [
                    {"lint": "no-data-companion", "reason": "without a candidate there is nothing to decide"}
                ],
            }
