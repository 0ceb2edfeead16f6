"""The AlertRouting file: who is told, how, and when."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mlslo.yamlfile import (
    Document,
    Duration,
    File,
    Loaded,
    Location,
    Name,
    Problem,
    Shape,
    StrictModel,
    did_you_mean,
    quoted_list,
)
from rulegen.promql.versions import ACTIVE_DURING, LOCATION
from rulegen.spec.companions import ExpectedPages
from rulegen.spec.lint_names import Accept, named
from rulegen.spec.receivers import problems as receiver_problems
from rulegen.spec.routing_names import (
    Filled,
    GroupLabels,
    IntervalNames,
    LabelNames,
    LayerName,
    LayerNames,
    Namespace,
    ReceiverNames,
    SecretName,
    Some,
    TierName,
    TierNames,
    WebAddress,
)
from rulegen.spec.target import Target
from rulegen.spec.time_intervals import TimeInterval

ACTIONS = "mlslo-actions"
"""The receiver that acts on alerts."""

PLACEHOLDER = "REPLACE-ME"
"""Placeholder of a first AlertRouting file, for what only its user knows."""


class Metadata(StrictModel):
    """Which file it is."""

    name: Name = Field(description="One per Alertmanager; it only appears in messages.")


class Tier(StrictModel):
    """How urgent, and who hears of it."""

    severity: Name = Field(
        description="The label `severity`; PagerDuty knows critical, error, warning and info."
    )
    receivers: ReceiverNames = Field(description="Each of them is told.")
    groupWait: Duration | None = Field(None, description="Instead of the file's own.")
    groupInterval: Duration | None = Field(None, description="Instead of the file's own.")
    repeatInterval: Duration | None = Field(None, description="Instead of the file's own.")
    expectedPages: ExpectedPages | None = Field(
        None,
        description="How often all of its alerts together may page; `mlslo-rulegen backtest` judges it by a history.",
    )
    activeDuring: IntervalNames = Field(
        default_factory=list, description="Time intervals outside of which nothing is sent; it is sent later."
    )


class Mute(StrictModel):
    """When some layers' alerts are not sent."""

    during: Name = Field(description="A time interval.")
    layers: Annotated[LayerNames, Some, Filled] = Field(description="Whose alerts are held back.")


class InhibitSource(StrictModel):
    """Alerts that silence others."""

    at_least_one = ("layer", "tier")
    layer: LayerName | None = Field(None, description="Alerts of this layer.")
    tier: TierName | None = Field(None, description="Alerts of this tier.")


class InhibitTarget(StrictModel):
    """Alerts that are silenced."""

    at_least_one = ("layers", "tiers")
    layers: LayerNames = Field(default_factory=list, description="Alerts of these layers.")
    tiers: TierNames = Field(
        default_factory=list,
        description="Alerts of these tiers; without it all that are less urgent than the source.",
    )


class Inhibit(StrictModel):
    """While a source fires, its targets are not sent."""

    source: InhibitSource = Field(description="The cause.")
    target: InhibitTarget = Field(description="The consequences.")
    equal: LabelNames = Field(description="Labels that must be there and the same on both.")

    @model_validator(mode="after")
    def _is_disjoint(self) -> Self:
        layer, tier = self.source.layer, self.source.tier
        layers, tiers = self.target.layers, self.target.tiers
        among_layers = layer is None or not layers or layer in layers
        # Without target tiers an alert silences only less urgent ones.
        among_tiers = bool(tiers) and (tier is None or tier in tiers)
        if among_layers and among_tiers:
            shared = " and ".join(
                part for part in (layer and f"layer {layer}", tier and f"tier {tier}") if part
            )
            message = f"the source ({shared}) is among its own targets; leave its tier or layer out"
            raise ValueError(named(message, "inhibit-overlap"))
        return self


class Watchdog(StrictModel):
    """An alert that always fires: its silence is the alarm."""

    receivers: ReceiverNames = Field(description="Services that raise the alarm when they hear nothing.")
    repeatInterval: Duration = Field(Duration("1m"), description="How often they are told that all is well.")


class Runbooks(StrictModel):
    """The generated pages, one for each alert."""

    url: WebAddress = Field(
        description="Where the folder `runbooks/` is served, such as a Git server's view of it; "
        "each alert links to its page."
    )


class Dashboards(StrictModel):
    """The generated dashboards."""

    url: WebAddress = Field(description="Grafana's address; each alert links to its model's dashboard.")


class Receiving(StrictModel):
    """The address at which `mlslo-exporter act` receives alerts."""

    url: WebAddress = Field(description="Its address, such as `https://act.internal:9849/alerts`.")
    credentialsFile: Name | None = Field(
        None,
        description="A file of Alertmanager's that holds the token: one of `tokenFile` of the AlertActions file.",
    )
    caFile: Name | None = Field(None, description="A file of Alertmanager's with the certificates to trust.")

    @property
    def receiver(self) -> dict[str, Any]:
        """The receiver, in Alertmanager's words."""
        http: dict[str, Any] = {"follow_redirects": False}
        if self.credentialsFile is not None:
            http["authorization"] = {"credentials_file": self.credentialsFile}
        if self.caFile is not None:
            http["tls_config"] = {"ca_file": self.caFile}
        return {"webhook_configs": [{"url": self.url, "send_resolved": True, "http_config": http}]}


class Operator(StrictModel):
    """For `generate --format operator`: where its objects stand, and how prometheus-operator finds them."""

    namespace: Namespace | None = Field(
        None,
        description="Of every object; also a label of every alert, since the operator routes by it. "
        "An AlertmanagerConfig needs it; without it objects are for the namespace that they are applied to.",
    )
    labels: dict[Name, Name] = Field(
        default_factory=dict,
        description="Of every object: those that `ruleSelector` and `alertmanagerConfigSelector` look for.",
    )
    routing: Literal["AlertmanagerConfig", "Secret"] | None = Field(
        None,
        description="The object that routing is written as. Without it an AlertmanagerConfig where that can say "
        "everything, and a Secret, which can, where not.",
    )
    configSecret: SecretName = Field(
        "alertmanager-mlslo",
        description="Name of that Secret: what `configSecret` of the Alertmanager object says. An Alertmanager object "
        "of the name NAME reads `alertmanager-NAME` where it says nothing.",
    )
    secret: SecretName | None = Field(
        None,
        description="The Secret that has a key for each file of a receiver; not needed for "
        "`/etc/alertmanager/secrets/<Secret>/<key>`. Files right in `/etc/alertmanager/secrets` are keys of "
        "`mlslo-receivers` without it.",
    )


class Spec(StrictModel):
    """Who is told, how, and when."""

    target: Target = Field(default_factory=Target, description="Versions that must load the output.")
    evaluationInterval: Duration = Field(
        Duration("1m"), description="Of every rule group; `for` and `breaches` count in it."
    )
    maxRulesPerGroup: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="Groups with more rules are split: Mimir takes 20 by default. A rule and the records that it reads "
        "stay in one group where they fit; where not, it sees records of up to one interval ago.",
    )
    tiers: Annotated[dict[TierName, Tier], Some, Shape(minProperties=1)] = Field(
        description="P1 is the most urgent."
    )
    groupBy: GroupLabels = Field(
        default_factory=lambda: ["model", "slo"],
        description='One message for the alerts that agree in these; `["..."]`: one for each alert.',
    )
    groupWait: Duration = Field(Duration("30s"), description="How long a new group waits for company.")
    groupInterval: Duration = Field(
        Duration("5m"), description="Between two messages about a changing group."
    )
    repeatInterval: Duration = Field(
        Duration("4h"), description="Between two messages about an unchanged one."
    )
    teams: dict[Name, dict[TierName, ReceiverNames]] = Field(
        default_factory=dict, description="Other receivers for one team's tier."
    )
    receivers: Annotated[dict[Name, dict[str, Any]], Some, Shape(minProperties=1)] = Field(
        description="Alertmanager's own receiver keys, verbatim; secrets by file only."
    )
    templates: list[Name] = Field(
        default_factory=list,
        description="Names of templates that receivers call and that are defined elsewhere, such as in files that "
        "the Alertmanager of `--base` loads.",
    )
    defaultReceiver: Name | None = Field(
        None,
        description="Told of alerts of no tier; without it the first receiver of the least urgent tier.",
    )
    timeIntervals: dict[Name, TimeInterval] = Field(default_factory=dict, description="Recurring times.")
    mute: list[Mute] = Field(default_factory=list, description="When layers are held back.")
    inhibit: list[Inhibit] = Field(default_factory=list, description="What silences what.")
    suppressLowerTiers: bool = Field(True, description="The same SLO's P1 silences its P2 and P3.")
    watchdog: Watchdog | None = Field(None, description="An alert that always fires.")
    actions: Receiving | None = Field(
        None,
        description="Every alert of a tier goes to it too: `mlslo-exporter act` calls what is to be done.",
    )
    runbooks: Runbooks | None = Field(
        None, description="Links from alerts to their generated pages; a `runbook_url` of your own stays."
    )
    dashboards: Dashboards | None = Field(
        None, description="Links from alerts to dashboards; a `dashboard_url` of your own stays."
    )
    accept: list[Accept] = Field(
        default_factory=list, description="What a lint finds in this file and is right here."
    )
    operator: Operator | None = Field(None, description="How objects for prometheus-operator are written.")

    @property
    def tier_names(self) -> list[str]:
        """The tiers, the most urgent first."""
        return sorted(self.tiers)

    @property
    def fallback_receiver(self) -> str:
        """Who is told of an alert that no tier claims."""
        return self.defaultReceiver or self.tiers[self.tier_names[-1]].receivers[0]

    @property
    def all_receivers(self) -> dict[str, dict[str, Any]]:
        """The receivers of the file, and the one that acts.

        Those that page by PagerDuty tell it too: the key of their group is the key of the incident.
        """
        found = dict(self.receivers)
        if self.actions is not None:
            for name in self.notified & {name for name in found if "pagerduty_configs" in found[name]}:
                own = [*found[name].get("webhook_configs", []), *self.actions.receiver["webhook_configs"]]
                found[name] = {**found[name], "webhook_configs": own}
            found[ACTIONS] = self.actions.receiver
        return found

    @property
    def notified(self) -> set[str]:
        """The receivers of alerts other than the watchdog."""
        told = [tier.receivers for tier in self.tiers.values()]
        told += [names for overrides in self.teams.values() for names in overrides.values()]
        return {self.fallback_receiver}.union(*told)


class RoutingFile(File[Metadata, Spec]):
    """Who is told, how, and when. One per Alertmanager."""

    kind: Literal["AlertRouting"] = Field(description="What this file is.")


class Routing(Loaded[Metadata, Spec]):
    """A validated AlertRouting file."""

    model_type = RoutingFile

    def without_actions(self) -> Self:
        """Return the same file where nothing acts: for what is about people."""
        spec = self.spec.model_copy(update={"actions": None})
        return type(self)(self.document, self.file.model_copy(update={"spec": spec}))

    @property
    def operator(self) -> Operator:
        """The settings of objects for prometheus-operator; the defaults, where the file says nothing."""
        return self.spec.operator or Operator()

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong between the parts of the file."""
        yield from _names(self.document, self.spec)
        for name, receiver in self.spec.receivers.items():
            at = ("spec", "receivers", name)
            target, templates = self.spec.target.alertmanager.from_, self.spec.templates
            yield from receiver_problems(self.document, at, receiver, target, templates)
        if self.spec.actions is not None and ACTIONS in self.spec.receivers:
            message = f"'{ACTIONS}' is the receiver that spec.actions asks for; rename this one"
            yield self.document.problem(("spec", "receivers", ACTIONS), message, key=True)
        for check in (_repetition, _duplicates, _versions):
            yield from check(self.document, self.spec)


load = Routing.load
from_document = Routing.from_document


def _names(document: Document, spec: Spec) -> Iterator[Problem]:
    """Names that are used and not defined."""
    defined = {
        "receiver": ("spec.receivers", list(spec.receivers)),
        "time interval": ("spec.timeIntervals", list(spec.timeIntervals)),
        "tier": ("spec.tiers", spec.tier_names),
    }
    for at, what, names in _used(spec):
        under, valid = defined[what]
        for index, name in enumerate(names):
            if name not in valid:
                listed = f"expected one of {quoted_list(valid)}" if valid else f"{under} defines none"
                message = f"{what} '{name}' is not defined under {under}, {listed}{did_you_mean(name, valid)}"
                # A team's tier is a key itself.
                is_key = at[-1] == name
                yield document.problem(at if is_key else (*at, index), message, key=is_key)


def _used(spec: Spec) -> Iterator[tuple[Location, str, Sequence[str]]]:
    """Yield where names are used, and what they are names of."""
    for name, tier in spec.tiers.items():
        yield ("spec", "tiers", name, "receivers"), "receiver", tier.receivers
        yield ("spec", "tiers", name, "activeDuring"), "time interval", tier.activeDuring
    for team, overrides in spec.teams.items():
        for name, told in overrides.items():
            yield ("spec", "teams", team, name), "tier", [name]
            yield ("spec", "teams", team, name), "receiver", told
    if spec.watchdog:
        yield ("spec", "watchdog", "receivers"), "receiver", spec.watchdog.receivers
    if spec.defaultReceiver:
        yield ("spec", "defaultReceiver"), "receiver", [spec.defaultReceiver]
    for index, mute in enumerate(spec.mute):
        yield ("spec", "mute", index, "during"), "time interval", [mute.during]
    for index, inhibit in enumerate(spec.inhibit):
        if inhibit.source.tier:
            yield ("spec", "inhibit", index, "source", "tier"), "tier", [inhibit.source.tier]
        yield ("spec", "inhibit", index, "target", "tiers"), "tier", inhibit.target.tiers


def _repetition(document: Document, spec: Spec) -> Iterator[Problem]:
    """A message can only be repeated when its group is looked at."""
    if spec.repeatInterval.seconds < spec.groupInterval.seconds:
        message = f"repeatInterval {spec.repeatInterval} is shorter than groupInterval {spec.groupInterval}"
        yield document.problem(("spec", "repeatInterval"), message)
    for name, tier in spec.tiers.items():
        repeat, group = tier.repeatInterval or spec.repeatInterval, tier.groupInterval or spec.groupInterval
        if (tier.repeatInterval or tier.groupInterval) and repeat.seconds < group.seconds:
            key = "repeatInterval" if tier.repeatInterval else "groupInterval"
            message = f"repeatInterval {repeat} is shorter than groupInterval {group}"
            yield document.problem(("spec", "tiers", name, key), message)


def _duplicates(document: Document, spec: Spec) -> Iterator[Problem]:
    """The same thing said twice."""
    muted: dict[tuple[str, str], int] = {}
    for index, mute in enumerate(spec.mute):
        for position, layer in enumerate(mute.layers):
            first = muted.setdefault((mute.during, layer), index)
            if first != index:
                message = f"layer '{layer}' is already muted during '{mute.during}'"
                yield document.problem(("spec", "mute", index, "layers", position), message)
    for index, inhibit in enumerate(spec.inhibit):
        if inhibit in spec.inhibit[:index]:
            yield document.problem(("spec", "inhibit", index), "the same inhibition is given twice")


def _versions(document: Document, spec: Spec) -> Iterator[Problem]:
    """Keys that the oldest Alertmanager would not load."""
    target = spec.target.alertmanager.from_
    for name, tier in spec.tiers.items():
        if tier.activeDuring and (refusal := ACTIVE_DURING.refusal(target)):
            yield document.problem(("spec", "tiers", name, "activeDuring"), refusal, key=True)
    for name, interval in spec.timeIntervals.items():
        if interval.location is not None and (refusal := LOCATION.refusal(target)):
            at = ("spec", "timeIntervals", name, "location")
            yield document.problem(at, f"{refusal}; without it times are UTC", key=True)
