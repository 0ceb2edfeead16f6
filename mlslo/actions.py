"""The AlertActions file: which alert calls what, and who may stop it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from mlslo.monitor.sinks.url import HttpUrl
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
)

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
"""The part of a text that is replaced; ``NAME`` says what may stand inside."""
NAME = re.compile(r"(labels|annotations)\.([a-zA-Z_][a-zA-Z0-9_]*)|startsAt|fingerprint")

_POD = "/var/run/secrets/kubernetes.io/serviceaccount"
_KUBERNETES = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
_URL = r"^https?://[^/{}@#?\\ ]+(/[^@#?\\]*)?([?][^@#{}\\]*)?$"
_SECRET = re.compile(r"authorization|cookie|token|secret|password|api-?key|credential", re.IGNORECASE)
_OWN = re.compile(r"content-(length|type)|host|idempotency-key|transfer-encoding|connection", re.IGNORECASE)


def _as_url(text: str) -> str:
    filled = PLACEHOLDER.sub("x", text)
    try:
        parts = urlsplit(filled)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or not re.fullmatch(_URL, text) or not re.fullmatch(r"[!-~]+", filled):
        # Not the text: it may hold a password.
        message = "expected a URL such as https://deploy.internal/rollback, without a user"
        raise ValueError(f"{message}; only its path may have placeholders")
    return text


class AlertMatch(StrictModel):
    """An alert: all labels that are given are equal."""

    alertname: Name = Field(description="The alert's name.")
    model: Name | None = Field(None, description="The label `model`; any, where not given.")
    version: Name | None = Field(None, description="The label `version`.")
    slo: Name | None = Field(None, description="The label `slo`.")
    tier: Name | None = Field(None, description="The label `tier`.")
    labels: dict[str, str] = Field(default_factory=dict, description="Other labels, by name.")
    state: Literal["firing", "resolved"] = Field("firing", description="Whether it begins or ends.")

    def matches(self, labels: dict[str, str], state: str) -> bool:
        """Return whether an alert with these labels is meant."""
        named = {key: getattr(self, key) for key in ("alertname", "model", "version", "slo", "tier")}
        wanted = {key: value for key, value in named.items() if value is not None} | self.labels
        return state == self.state and all(labels.get(key) == value for key, value in wanted.items())


class Called(StrictModel):
    """How a server is called."""

    caFile: str | None = Field(
        None, min_length=1, description="Certificates of whom to trust; else the system's."
    )
    timeout: Duration = Field(Duration("10s"), description="Longest wait for the answer.")


class Authorized(Called):
    """How a server is called, and who calls. Secrets stand in files, which are read before each call."""

    tokenFile: str | None = Field(None, min_length=1, description="A file that holds a bearer token.")
    username: str | None = Field(
        None, min_length=1, description="A user, instead of a token; needs `passwordFile`."
    )
    passwordFile: str | None = Field(
        None, min_length=1, description="A file that holds the password of `username`."
    )

    @model_validator(mode="after")
    def _in_one_way(self) -> Authorized:
        if (self.username is None) != (self.passwordFile is None):
            raise ValueError("username and passwordFile come together")
        if self.username is not None and self.tokenFile is not None:
            raise ValueError("expected tokenFile, or username and passwordFile")
        return self


class HttpCall(Authorized):
    """Any HTTP request. Redirects are not followed."""

    url: Annotated[str, AfterValidator(_as_url), Shape(pattern=_URL)] = Field(
        description="Where to; placeholders in its path are percent-encoded."
    )
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = Field(
        "POST", description="The request's method."
    )
    body: dict[str, Any] | None = Field(
        None,
        description="Sent as JSON; texts in it may have the placeholders `{{ labels.NAME }}`, "
        "`{{ annotations.NAME }}`, `{{ startsAt }}`, `{{ fingerprint }}`.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Further headers, as they are; none that holds a secret."
    )

    @model_validator(mode="after")
    def _says_no_secret(self) -> HttpCall:
        for name, value in self.headers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not (value.isascii() and value.isprintable()):
                raise ValueError(f"header '{name}': expected one line of ASCII text")
            if _SECRET.search(name):
                wrong = "holds a secret; name a file with tokenFile or passwordFile"
                raise ValueError(f"header '{name}' {wrong}")
            if _OWN.fullmatch(name):
                raise ValueError(f"header '{name}' is set by the program itself")
        return self


class KubernetesCall(Called):
    """An object that is created by the Kubernetes API, as the pod's service account unless said otherwise."""

    namespace: str = Field(pattern=_KUBERNETES, description="Where it is created.")
    manifest: str = Field(
        min_length=1,
        description="A YAML file of the object, whose texts may have placeholders. Its name gets a suffix.",
    )
    server: HttpUrl = Field("https://kubernetes.default.svc", description="The Kubernetes API.")
    tokenFile: str = Field(
        f"{_POD}/token", min_length=1, description="A file that holds the token of who creates it."
    )
    caFile: str | None = Field(f"{_POD}/ca.crt", min_length=1, description="Certificates of whom to trust.")


class AirflowCall(Authorized):
    """A run of a DAG of Airflow 3."""

    url: HttpUrl = Field(description="Airflow's address, such as `https://airflow.internal`.")
    dag: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,250}$", description="The DAG's id.")
    conf: dict[str, Any] = Field(
        default_factory=dict, description="The run's configuration; texts in it may have placeholders."
    )


class MlflowCall(Authorized):
    """An alias, or a stage, in MLflow's model registry. Texts may have placeholders."""

    exactly_one = ("alias", "stage")
    url: HttpUrl = Field(description="The tracking server's address.")
    model: Name = Field(description="The registered model.")
    version: Name = Field(
        description='The version that gets it, in quotes: `"3"`, or `"{{ labels.baseline }}"`.'
    )
    alias: Name | None = Field(None, description="The alias that then points to the version.")
    stage: Literal["Staging", "Production", "Archived"] | None = Field(
        None, description="The stage (deprecated by MLflow); those that had it are archived."
    )


class Approval(StrictModel):
    """The people who must agree before the call."""

    by: list[Name] = Field(min_length=1, description="Users of the web configuration who may approve.")
    people: int = Field(1, ge=1, description="How many of them must.")
    within: Duration = Field(Duration("1h"), description="After this time it is too late.")

    @model_validator(mode="after")
    def _are_enough(self) -> Approval:
        if len(set(self.by)) != len(self.by):
            raise ValueError("a person is named twice under by")
        if self.people > len(self.by):
            raise ValueError(f"{self.people} people must approve, by names {len(self.by)}")
        return self


class Action(StrictModel):
    """An action: an alert, and what it calls."""

    exactly_one = ("http", "kubernetesJob", "argoWorkflow", "airflow", "mlflow")
    name: str = Field(pattern=_KUBERNETES, description="Its name in the record and on /metrics.")
    alert: AlertMatch = Field(description="The alert that calls it.")
    http: HttpCall | None = Field(None, description="An HTTP request.")
    kubernetesJob: KubernetesCall | None = Field(None, description="A Kubernetes Job.")
    argoWorkflow: KubernetesCall | None = Field(None, description="A workflow of Argo.")
    airflow: AirflowCall | None = Field(None, description="A run of Airflow.")
    mlflow: MlflowCall | None = Field(None, description="A change in MLflow's registry.")
    dryRun: bool = Field(False, description="Decide and record, and call nothing.")
    idempotent: bool = Field(
        False,
        description="Of `http`: the same request twice is the same as once, so it is sent again where the outcome of "
        "the first is unknown. The others always are.",
    )
    attempts: int = Field(
        3, ge=1, le=10, description="Most calls for one alert: after a failure its repeats call again."
    )
    cooldown: Duration | None = Field(None, description="Least time between two calls for the same model.")
    perDay: int | None = Field(None, ge=1, description="Most calls a day (UTC), failed ones included.")
    approval: Approval | None = Field(None, description="Who must agree first.")


class AlertmanagerApi(Authorized):
    """An Alertmanager, which is only read: who silences alerts."""

    url: HttpUrl = Field(description="Its address, such as `http://alertmanager:9093`; one of a cluster.")
    interval: Duration = Field(Duration("1m"), description="How often it is asked for silences.")


class PagerDutyCallbacks(StrictModel):
    """Webhooks (version 3) of PagerDuty to `/callbacks/pagerduty`: who acknowledged."""

    secretFile: str = Field(min_length=1, description="A file that holds the secret of the subscription.")


class SlackCallbacks(StrictModel):
    """Pressed buttons of Slack to `/callbacks/slack`: who acknowledged."""

    signingSecretFile: str = Field(
        min_length=1, description="A file that holds the signing secret of the Slack app."
    )


class Callbacks(StrictModel):
    """Services that tell who acknowledged an alert. Each request must be signed."""

    pagerduty: PagerDutyCallbacks | None = Field(None, description="PagerDuty's webhooks.")
    slack: SlackCallbacks | None = Field(None, description="Slack's interactive messages.")


class Spec(StrictModel):
    """All actions."""

    tokenFile: str | None = Field(
        None,
        min_length=1,
        description="Bearer tokens, one a line, one of which Alertmanager must send; read again when it changes.",
    )
    actions: list[Action] = Field(
        default_factory=list, description="Each is tried on each alert; without any, alerts are only counted."
    )
    alertmanager: AlertmanagerApi | None = Field(None, description="Who is asked for silences.")
    callbacks: Callbacks | None = Field(None, description="Who tells of acknowledgements.")

    def secrets(self) -> Iterator[tuple[str, str, str]]:
        """Yield the key, the key of the secret's file and the file of each kind of callbacks."""
        if self.callbacks is not None and self.callbacks.pagerduty is not None:
            yield "pagerduty", "secretFile", self.callbacks.pagerduty.secretFile
        if self.callbacks is not None and self.callbacks.slack is not None:
            yield "slack", "signingSecretFile", self.callbacks.slack.signingSecretFile


class Metadata(StrictModel):
    """Which file it is."""

    name: Name = Field(description="It appears in messages only.")


class ActionsFile(File[Metadata, Spec]):
    """Actions that alerts call: for `mlslo-exporter act`."""

    kind: Literal["AlertActions"] = Field(description="What this file is.")


class Actions(Loaded[Metadata, Spec]):
    """A validated AlertActions file."""

    model_type: ClassVar[type[ActionsFile]] = ActionsFile

    def problems(self) -> Iterator[Problem]:
        """Yield names that are given twice, and placeholders that cannot be filled."""
        seen: set[str] = set()
        for index, action in enumerate(self.spec.actions):
            at: Location = ("spec", "actions", index)
            if action.name in seen:
                yield self.document.problem((*at, "name"), f"a second action '{action.name}'")
            seen.add(action.name)
            if action.idempotent and action.http is None:
                yield self.document.problem(
                    (*at, "idempotent"), "only of http; the others always are", key=True
                )
            for part in (("http", "url"), ("http", "body"), ("airflow", "conf"), ("mlflow",)):
                data = self.document.data["spec"]["actions"][index]
                for key in part:
                    data = data.get(key) if isinstance(data, dict) else None
                yield from placeholder_problems(self.document, (*at, *part), data)


load = Actions.load


def placeholder_problems(document: Document, at: Location, data: Any) -> Iterator[Problem]:
    """Yield what is wrong with placeholders in the texts of ``data``, which stands at ``at``."""
    match data:
        case dict():
            for key, value in data.items():
                if "{{" in key:
                    yield document.problem(
                        (*at, key), "a placeholder in a key; expected only in values", key=True
                    )
                yield from placeholder_problems(document, (*at, key), value)
        case list():
            for index, value in enumerate(data):
                yield from placeholder_problems(document, (*at, index), value)
        case str():
            for found in PLACEHOLDER.finditer(data):
                if not NAME.fullmatch(name := found[1].strip()):
                    expected = "expected labels.NAME, annotations.NAME, startsAt or fingerprint"
                    rest = name.partition(".")[2]
                    near = did_you_mean(
                        name, [f"labels.{rest}", f"annotations.{rest}", "startsAt", "fingerprint"]
                    )
                    message = f"unknown placeholder '{name}', {expected}{near}"
                    yield document.problem_within(at, found.start(), message)
            rest = PLACEHOLDER.sub("", data)
            if "{{" in rest or "}}" in rest:
                yield document.problem(
                    at, "a placeholder without its end or its beginning, expected {{ NAME }}"
                )
