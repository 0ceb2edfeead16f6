"""AlertActions files against the alerts of all models."""

from collections.abc import Iterator, Sequence

from mlslo.actions import Actions
from mlslo.yamlfile import Problem, did_you_mean, quoted_list
from rulegen.slo.plan import Plan


def action_problems(files: Sequence[Actions], plans: Sequence[Plan]) -> Iterator[Problem]:
    """Yield actions on alerts that no model has."""
    models: dict[str, set[str]] = {}
    for plan in plans:
        models.setdefault(plan.file.model, set()).update(alert.name for alert in plan.identities)
    for file in files:
        for index, action in enumerate(file.spec.actions):
            at, on = ("spec", "actions", index, "on"), action.on
            if on.model is not None and on.model not in models:
                message = (
                    f"no ModelSLO file is of the model '{on.model}', expected one of {quoted_list(models)}"
                )
                yield file.document.problem((*at, "model"), message + did_you_mean(on.model, models))
                continue
            of_model = [models[on.model]] if on.model is not None else models.values()
            known = sorted(set().union(*of_model))
            if on.alertname not in known:
                message = f"no alert has the name '{on.alertname}', expected one of {quoted_list(known)}"
                yield file.document.problem((*at, "alertname"), message + did_you_mean(on.alertname, known))
