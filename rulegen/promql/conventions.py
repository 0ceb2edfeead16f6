"""Every alert name, record name and label that the generator writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LAYERS = ("service", "data", "prediction", "outcome", "meta")

# Labels of every alert about a model. What they say is known when the rules are generated.
MODEL, SLO, LAYER, TIER, SEVERITY = "model", "slo", "layer", "tier", "severity"
ALERT_LABELS = (MODEL, SLO, LAYER, TIER, SEVERITY)

# Alerts that the generator names itself; users' alerts cannot have these names.
FAST_BURN = "ErrorBudgetFastBurn"
SLOW_BURN = "ErrorBudgetSlowBurn"
NO_DATA = "SLONoData"
GROUP_NO_DATA = "SLOGroupNoData"
TOO_MANY_GROUPS = "SLOTooManyGroups"
MONITOR_STALE = "ModelMonitorStale"
MONITOR_ABSENT = "ModelMonitorAbsent"
LABELS_STALE = "ModelLabelsStale"
SINK_DOWN = "ModelSinkDown"
SINK_BEHIND = "ModelSinkBehind"
REFERENCE_OLD = "ModelReferenceOld"
FEATURES_UNMONITORED = "ModelFeaturesUnmonitored"
FIELD_MISSING = "ModelFieldMissing"
WATCHDOG = "Watchdog"
COMPANION_ALERTS = (
    MONITOR_STALE, MONITOR_ABSENT, LABELS_STALE, SINK_DOWN, SINK_BEHIND, REFERENCE_OLD, FEATURES_UNMONITORED,
    FIELD_MISSING,
)  # fmt: skip
# Those that several SLOs of a model may have.
ALERTS_OF_SLOS = (FAST_BURN, SLOW_BURN, NO_DATA, GROUP_NO_DATA, TOO_MANY_GROUPS)
RESERVED_ALERTS = (*ALERTS_OF_SLOS, *COMPANION_ALERTS, WATCHDOG)

# The label `slo` of the alerts that are about a model as a whole: one for each cause, since the more urgent
# alert of an SLO silences the others. A user's SLO has no dot in its name.
MONITOR_SLO = "monitor"
LABELS_SLO = "monitor.labels"
SINKS_SLO = "monitor.sinks"
REFERENCES_SLO = "monitor.references"
FEATURES_SLO = "monitor.features"
FIELDS_SLO = "monitor.fields"


@dataclass(frozen=True)
class AlertIdentity:
    """One alert as routing sees it: its name, and the labels whose values are known beforehand.

    ``labels`` has model, slo, layer, tier, severity and the file's ``metadata.labels`` (team, ...);
    the watchdog has ``slo``, ``layer`` and ``severity`` only. ``series_labels`` names those whose values come with the
    series (version, feature, window, ...). ``groups``: those of them by which its SLO has an error budget each.
    """

    name: str
    labels: Mapping[str, str]
    series_labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


# Fires always: when it stops arriving, the alerting chain itself is broken. Not among a model's alerts.
# Its SLO and layer tell it from the watchdogs of others.
WATCHDOG_IDENTITY = AlertIdentity(WATCHDOG, {SLO: "watchdog", LAYER: "meta", SEVERITY: "none"})

# On every alert where there is prometheus-operator, which routes by it.
NAMESPACE = "namespace"


def record_name(labels: Iterable[str], metric: str, operations: str) -> str:
    """``level:metric:operations``, the level being the labels that tell its series apart.

    Operations on the record of a gauge: ``max_offset1d`` (as it was a day ago), ``max_avg30d_offset2d`` and
    ``max_stddev30d_offset2d`` (over 30 days that ended 2 days ago), ``max_predict4h_over1d``.
    https://prometheus.io/docs/practices/rules/
    """
    return f"{'_'.join(labels)}:{metric}:{operations}"


# What the query of an SLO gives, where no metric of the catalogue is its gauge.
VALUE_METRIC = "ml_slo_value"


def errors_record(window: str) -> str:
    """Bad events per second of an SLO, over ``window``."""
    return record_name((MODEL, SLO), "ml_slo_errors", window)


def events_record(window: str) -> str:
    """All events per second of an SLO, over ``window``."""
    return record_name((MODEL, SLO), "ml_slo_events", window)


def ratio_record(window: str) -> str:
    """Bad events over all events of an SLO, over ``window``."""
    return record_name((MODEL, SLO), "ml_slo_errors_per_events", f"ratio_{window}")


# What is promised, on the records that follow from it: a changed objective begins new series of them. Alerts don't have
# it, nor does what they rest on: who is told, and what is told already, stays.
REVISION = "revision"
# Of a budget of the calendar: the date on which its period began, as in 20261101.
PERIOD = "period"
LOCAL_TIME_RECORD = "model_slo:ml_slo_local_time:seconds"
PERIOD_RECORD = "model_slo:ml_slo_period_began:date"
PERIOD_ELAPSED_RECORD = "model_slo:ml_slo_period_elapsed:ratio"

BURN_RATE_RECORD = "model_slo:ml_slo_burn_rate:ratio"
BUDGET_REMAINING_RECORD = "model_slo:ml_slo_error_budget_remaining:ratio"
# Which groups of an SLO are measured; with their events, as last counted.
KNOWN_GROUPS_RECORD = "model_slo:ml_slo_events:known_groups"


def breach_record(alert: str) -> str:
    """1 where an evaluation met the condition of ``alert``, 0 where it did not."""
    return record_name((MODEL, SLO), f"ml_slo_breach_{alert}", "bool")
