"""AlertActions files against the alerts of all models."""

from collections.abc import Iterator, Sequence

from mlslo.actions import Actions
from mlslo.yamlfile import Problem, did_you_mean, quoted_list
from rulegen.slo.plan import Plan


def action_problems(files: Sequence[Actions], plans: Sequence[Plan]) -> Iterator[Problem]:
    """Yield actions on alerts that no model has."""
    models: dict[str, set[str]] = {}
    for plan in plans:
        models.setdefault(plan.file.model, set()).update(identity.name for identity in plan.identities)
    for file in files:
        for index, action in enumerate(file.spec.actions):
            at, alert = ("spec", "actions", index, "alert"), action.alert
            if alert.model is not None and alert.model not in models:
                message = (
                    f"no ModelSLO file is of the model '{alert.model}', expected one of {quoted_list(models)}"
                )
                yield file.document.problem((*at, "model"), message + did_you_mean(alert.model, models))
                continue
            of_model = [models[alert.model]] if alert.model is not None else models.values()
            known = sorted(set().union(*of_model))
            if alert.alertname not in known:
                message = f"no alert has the name '{alert.alertname}', expected one of {quoted_list(known)}"
                yield file.document.problem(
                    (*at, "alertname"), message + did_you_mean(alert.alertname, known)
                )
