"""mlslo-rulegen tune."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from mlslo import atomic
from mlslo.command_line import PATH, input_errors
from mlslo.yamlfile import InputError, Location, did_you_mean, quoted_list
from rulegen.backtest import incidents as marked
from rulegen.backtest import ruleset
from rulegen.backtest.episodes import beginnings
from rulegen.backtest.incidents import Incident
from rulegen.backtest.judgement import Judgement
from rulegen.backtest.ruleset import RuleSet
from rulegen.backtest.spec_text import replaced
from rulegen.backtest.store import UnactedAlert
from rulegen.backtest.tuning import Proposal, Setting, Tuner, edited
from rulegen.commands.history_options import Stretch, takes_history
from rulegen.commands.options import loaded_specs
from rulegen.spec.model_slo import Alert, ModelSlo, Slo
from rulegen.validation.specs import Specs


@click.command()
@click.argument("spec", nargs=-1, required=True, type=PATH)
@takes_history
@click.option(
    "--pages-per-quarter",
    "pages",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Of each alert, in 90 days, outside of incidents.",
)
@click.option("--incidents", "known", type=PATH, help="A file of times at which something was wrong.")
@click.option("--alert", "names", multiple=True, help="Only this alert; may be given several times.")
@click.option("--write", is_flag=True, help="Write what is proposed into the specs; comments stay.")
def tune(
    spec: tuple[Path, ...],
    stretch: Stretch,
    pages: float,
    known: Path | None,
    names: tuple[str, ...],
    write: bool,
) -> None:
    """Propose the limit and the `for` of each alert on a gauge that would have met a target of pages.

    What is proposed rings as often as the target allows: it is the most sensitive one. Where the history has the
    counters of `mlslo-exporter act`, alerts that nobody acted on in 90 days are named, with what to do. Exit code 1
    where the target cannot be met, or only by missing an incident that the alert should have found.
    """
    with input_errors():
        specs = loaded_specs(spec)
        every = [alert.name for model in specs.models for _, slo in model.slos for alert in slo.alerts]
        for name in names:
            if name not in every:
                message = f"no alert '{name}' on a gauge, expected one of {quoted_list(every)}"
                raise InputError.of_file("--alert", message + did_you_mean(name, every))
        incidents = marked.load(known, specs) if known else []
        rules = ruleset.of_specs(specs)
    with stretch.opened([rules]) as (judge, source):
        now = judge.judge(rules)
        tuner = Tuner(judge, rules, specs.routing, incidents, pages)
        proposals: list[Proposal] = []
        untuned: list[str] = []
        for model in specs.models:
            for at, slo, alert in _alerts(model, names):
                proposal = tuner.propose(model, slo, alert, at)
                if proposal is None:
                    untuned.append(
                        f"{alert.name} ({model.model} {slo.name}): the history has nothing of its gauge"
                    )
                else:
                    proposals.append(proposal)
        listened = [
            (one, list(_instead(one, rules, tuner, proposals, specs.routing.spec.tier_names)))
            for one in judge.store.unacted
            if not names or one.alert in names
        ]
        # The whole of it judges the winner: routing, inhibition and all.
        tuned = judge.judge(ruleset.of_specs(_tuned(specs, proposals)))
        if write:
            for model, edits in _edits(proposals):
                path = model.document.path
                content = path.read_bytes().decode()
                atomic.write(path, replaced(model.document, content, edits).encode())
    days = (judge.end - judge.begin) / 86_400_000
    click.echo(
        f"{source.name}: {days:.3g} days; target: {pages:g} a quarter, {tuner.allowed:.3g} in this history"
    )
    tuned_alerts = [one for one in rules.alerts if any(one.identity == own.identity for own in proposals)]
    if note := ruleset.coarse(tuned_alerts, source.step):
        click.echo(note)
    for proposal in proposals:
        for line in _said(proposal, tuner.allowed, now, tuned):
            click.echo(line)
    for one, lines in listened:
        click.echo(f"{one.alert} ({one.model}): {one}")
        for number, line in enumerate(lines):
            click.echo(f"  {'or ' if number else ''}{line}")
    for line in (*untuned, *_overall(incidents, tuned)):
        click.echo(line)
    for model, _ in _edits(proposals):
        said = f"wrote {model.document.path}" if write else f"{model.document.path}: --write would change it"
        click.echo(said)
    if any(proposal.missed or not tuner.meets(proposal.chosen) for proposal in proposals):
        raise SystemExit(1)


def _alerts(model: ModelSlo, names: Sequence[str]) -> Iterator[tuple[Location, Slo, Alert]]:
    """Yield the alerts on gauges of these names, of all where there are none, each with its place."""
    for place, slo in model.slos:
        for at, alert in slo.placed_alerts(place):
            if not names or alert.name in names:
                yield at, slo, alert


def _edits(proposals: Sequence[Proposal]) -> list[tuple[ModelSlo, dict[Location, str]]]:
    """The files to change, and where."""
    found: dict[str, tuple[ModelSlo, dict[Location, str]]] = {}
    for proposal in proposals:
        if proposal.edits:
            found.setdefault(proposal.model.name, (proposal.model, {}))[1].update(proposal.edits)
    return list(found.values())


def _tuned(specs: Specs, proposals: Sequence[Proposal]) -> Specs:
    """The specs with all that is proposed. Raises InputError where that goes by itself, and not together."""
    changed: dict[str, ModelSlo] = {}
    for model, edits in _edits(proposals):
        one = edited(model, edits)
        if one is None:
            raise InputError.of_file(
                model.document.path, "what is proposed for its alerts does not go together"
            )
        changed[model.name] = one
    return replace(specs, models=[changed.get(model.name, model) for model in specs.models])


def _said(proposal: Proposal, allowed: float, now: Judgement, tuned: Judgement) -> Iterator[str]:
    identity = model, slo, name = proposal.identity
    yield f"{name} ({model} {slo}), {proposal.alert.tier}"
    key, best = proposal.number.key, proposal.best
    if best is None:
        verdict = (
            "stays"
            if proposal.now.pages <= allowed and not proposal.now.constant
            else "nothing that was tried meets the target"
        )
        yield f"  {key} {proposal.now}: {_pages(proposal.now)}; {verdict}"
    else:
        yield f"  {key} {proposal.now}: {_pages(proposal.now)}"
        yield f"  {key} {best}: {_pages(best)}"
    if proposal.chosen.found:
        numbers = ", ".join(map(str, sorted(proposal.chosen.found)))
        yield f"  rings in incident{'s' if len(proposal.chosen.found) > 1 else ''} {numbers}"
    counts = [max(beginnings(one.of(identity)).values(), default=0) for one in (now, tuned)]
    then = f" now, {_times(counts[1])} then" if best else ""
    yield f"  told, routing considered: {_times(counts[0])}{then}"
    if proposal.missed:
        missed = ", ".join(map(str, proposal.missed))
        first, last = proposal.tried
        yield f"  no {key} between {first} and {last} gives {allowed:.3g} pages or fewer without missing {missed}"
        if proposal.compromise is None:
            yield "  and none that was tried finds it at all"
        else:
            yield f"  best that finds it: {key} {proposal.compromise}, with {_pages(proposal.compromise)}"


def _instead(
    one: UnactedAlert, rules: RuleSet, tuner: Tuner, proposals: Sequence[Proposal], tiers: Sequence[str]
) -> Iterator[str]:
    """Yield what could be done with an alert on which nobody acted."""
    for proposal in proposals:
        if (proposal.model.model, proposal.alert.name) == (one.model, one.alert) and proposal.now.pages > 1:
            quieter = tuner.quieter(proposal)
            if quieter is not None:
                pages = f"{_pages(quieter)} in this history instead of {proposal.now.pages}"
                yield f"set {proposal.number.key} {quieter}: {pages}"
    alerts = [alert for alert in rules.alerts if (alert.identity[0], alert.name) == (one.model, one.alert)]
    lower = {tiers[tiers.index(alert.tier) + 1] for alert in alerts if alert.tier in tiers[:-1]}
    yield from (f"lower its tier to {tier}" for tier in sorted(lower))
    yield "delete it"


def _overall(incidents: Sequence[Incident], tuned: Judgement) -> Iterator[str]:
    for incident in incidents:
        within = [one for one in tuned.episodes if incident.concerns(one.alert.identity)]
        found = {one.alert.name for one in within if one.overlaps(incident.begin, incident.end)}
        yield f"{incident}: found by {', '.join(sorted(found)) or 'none'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _pages(setting: Setting) -> str:
    most = ", and fires most of the time" if setting.constant else ""
    return f"{setting.pages} page{'' if setting.pages == 1 else 's'}{most}"
