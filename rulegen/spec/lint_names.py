"""Every lint: its stable name, shared by code, `accept:` and the pages of docs/lint, and what it finds."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlslo.yamlfile import Document, Shape, StrictModel, did_you_mean, quoted_list

# Of a lint.
Name = str
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Lint:
    """One lint. ``summary`` is what its page begins with.

    ``found``: by the module of its name in `rulegen.lint`, which has a function ``find``, or while files are read or
    tests are made. ``needs``: it sees more with the ModelMonitor file at hand, and nothing without a base.
    """

    name: str
    severity: Severity
    summary: str
    found: Literal["checking", "reading", "testing"] = "checking"
    needs: Literal["monitor", "base"] | None = None

    @property
    def acceptable(self) -> bool:
        """Return whether a spec can accept it with a reason."""
        return self.found != "reading"


# fmt: off
_ALL = (
    Lint("accept-unused", "warning", "An acceptance that accepts nothing.", found="reading"),
    Lint("alert-reaches-nobody", "error", "An alert that is never sent."),
    Lint("always-fires", "error", "An alert that every value of its gauge raises."),
    Lint("baseline-too-short", "warning", "A drop that its own baseline hides before it fires.", found="testing"),
    Lint("burn-window-left-out", "warning", "A pair of burn-rate windows that no share of bad events can raise."),
    Lint("for-too-long", "warning", "A burn-rate alert that short trouble never raises."),
    Lint("for-too-short", "warning", "An alert that one evaluation, or two, raise."),
    Lint("inhibit-equal-missing", "warning", "An inhibition that compares a label which alerts on one side lack."),
    Lint("inhibit-more-urgent", "warning", "An alert that silences a more urgent one."),
    Lint("inhibit-overlap", "error", "An inhibition whose source is among its own targets.", found="reading"),
    Lint("inhibit-too-late", "warning", "An inhibition whose source fires after its target has been told."),
    Lint("inhibit-without-source", "warning", "An inhibition whose source is no alert."),
    Lint("inhibit-without-target", "warning", "An inhibition that has nothing to silence."),
    Lint("inhibited-by-base", "warning", "An inhibition of `--base` that can silence our alerts.", needs="base"),
    Lint("keep-firing-without-effect", "warning", "A `keepFiringFor` that ends before the next evaluation."),
    Lint("literal-secret", "error", "A secret that all who read the file can read.", found="reading"),
    Lint("never-fires", "error", "An alert that no value of its gauge can raise."),
    Lint("no-data-companion", "warning", "An SLO without an alert for when nothing is measured."),
    Lint("no-labels-companion", "warning", "An SLO on labels without an alert for when labels stop.", needs="monitor"),
    Lint("not-tested", "warning", "An alert or a record that the generated unit tests don't prove.", found="testing"),
    Lint("page-held-back", "warning", "A time at which the most urgent alerts are not sent."),
    Lint("placeholder-receiver", "warning", "A receiver that `init` wrote and nobody filled in."),
    Lint("receiver-without-integration", "error", "A receiver that tells nobody.", found="reading"),
    Lint("threshold-under-noise", "warning", "A threshold below the noise at the expected traffic.", needs="monitor"),
    Lint("time-interval-never-comes", "warning", "A time interval that never comes."),
    Lint("too-few-events", "warning", "A burn rate that the traffic to expect never has the bad events for."),
    Lint("too-few-samples", "warning", "A gauge that is withheld at the expected traffic.", needs="monitor"),
    Lint("unknown-team", "warning", "A team whose name is nearly one that the other file has."),
    Lint("unused-receiver", "warning", "A receiver that nothing is sent to."),
    Lint("unused-time-interval", "warning", "A time interval that nothing refers to."),
    Lint("watchdog-receiver-shared", "warning", "A dead man's switch that is told of other alerts too."),
    Lint("window-beyond-retention", "warning", "A past that is deleted before it is looked at."),
)
# fmt: on
LINTS = {lint.name: lint for lint in _ALL}
ACCEPTABLE = tuple(lint.name for lint in _ALL if lint.acceptable)


def named(message: str, lint: str) -> str:
    """``message`` with the name of its lint, by which its page is found."""
    return f"{message} [{LINTS[lint].name}]"


@dataclass(frozen=True)
class Note:
    """A finding made while rules and tests are built: ``message`` about the place ``location`` of a spec."""

    lint: Name
    document: Document
    location: tuple[str | int, ...]
    message: str


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a reason that a reviewer understands, got nothing")
    return text


def _known(lint: str) -> str:
    if lint not in ACCEPTABLE:
        raise ValueError(
            f"expected one of {quoted_list(ACCEPTABLE)}, got '{lint}'{did_you_mean(lint, ACCEPTABLE)}"
        )
    return lint


class Accept(StrictModel):
    """A finding that somebody has looked at and wants as it is."""

    lint: Annotated[str, AfterValidator(_known), Shape(enum=list(ACCEPTABLE))] = Field(
        description="Name of the lint, as its message ends with; docs/lint has a page for each."
    )
    reason: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_reason)] = Field(
        description="Why it is right here."
    )
