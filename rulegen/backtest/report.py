"""Judgements, as text for people, as Markdown for a pull request, as data for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mlslo.yamlfile import Duration, Problem
from rulegen.backtest.episodes import Episode, beginnings
from rulegen.backtest.judgement import Budget, Change, Identity, Judgement
from rulegen.backtest.store import FINDING, UnactedAlert
from rulegen.promql.conventions import MODEL, SLO
from rulegen.simulation.alert import Labels
from rulegen.simulation.outcome import Cause, Notification

# A pull request's comment has at most 65,536 characters.
_MOST_ROWS = 100
# Milliseconds from which on a reader wants to know how late somebody was told.
_LATE = 600_000
_HELD = {
    Cause.INHIBITED: "inhibited by",
    Cause.INACTIVE: "outside of",
    Cause.MUTED: "muted during",
    Cause.SILENCED: "silenced by",
}
Row = Sequence[str]


@dataclass(frozen=True)
class Report:
    """All that a backtest found. ``compared``: with what, where it was compared; ``note``: what limits it.

    ``unacted``: alerts on which nobody acted.
    """

    history: str
    judgement: Judgement
    budgets: Sequence[Budget]
    compared: str | None = None
    changes: Sequence[Change] = ()
    note: str | None = None
    unacted: Sequence[UnactedAlert] = ()

    @property
    def problems(self) -> list[Problem]:
        """Return the budgets that were exceeded, each with its place."""
        return [
            one.document.problem(
                one.at,
                f"{one.of}: {one.pages} pages in {_length(self.judgement)}, expected at most {one.per_month:g} a month",
            )
            for one in self.budgets
            if one.is_exceeded
        ]


class _Table(NamedTuple):
    """Rows under a title. ``none``: said where there are none; left out where that is empty. ``long``: folded away."""

    title: str
    heads: Row
    rows: Sequence[Row]
    none: str = ""
    long: bool = False


def _tables(report: Report) -> list[_Table]:
    found = report.judgement
    told, received = (
        ("tier", "alert", "", "receiver", "as", "a month", "in all"),
        ("receiver", "as", "a month", "in all"),
    )
    episodes = ("from", "to", "length", "alert", "", "worst", "what came of it")
    changes = ("", "alert", "", "before", "after")
    rows = [(name, kind, _monthly(found, count), str(count)) for name, kind, count in _received(found)]
    unacted = [(one.alert, one.model, str(one)) for one in report.unacted]
    unjudged = [(alert.name, " ".join(alert.identity[:2])) for alert in found.unjudged]
    tables = [
        _Table(f"Against {report.compared}", changes, list(_change_rows(report)), "nothing changes"),
        _Table("Episodes added and removed", ("", "from", "to", "alert"), list(_changed_episodes(report)), long=True),
        _Table("Notified that it began", told, list(_told_rows(found)), "nobody"),
        _Table("Messages of each receiver, ends and repeats among them", received, rows, "none"),
        _Table("Episodes", episodes, [_episode_row(one, found) for one in found.episodes], "none", long=True),
        _Table("Budgets", ("of", "pages", "", ""), list(_budget_rows(report))),
        _Table(f"Nobody acted ({FINDING})", ("alert", "", ""), unacted),
        _Table("Not judged: the history has none of their series", ("alert", ""), unjudged, long=True),
    ]  # fmt: skip
    compared = tables if report.compared is not None else tables[2:]
    return [table for table in compared if table.rows or table.none]


def as_text(report: Report) -> str:
    """Return what a change does, tables of alerts and receivers, then each episode."""
    lines = [_headline(report)] + ([report.note] if report.note else [])
    for table in _tables(report):
        lines += ["", table.title, *(_columns(table.rows) or [f"  {table.none}"])]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_markdown(report: Report) -> str:
    """Return the same for a pull request's comment: exceeded budgets first, episodes folded away."""
    lines = ["### What these alerts would have done", "", f"{_cell(_headline(report))}."]
    lines += ["", _cell(report.note)] if report.note else []
    lines += ["", *(f"- :x: {_code(str(problem))}" for problem in report.problems)] if report.problems else []
    for table in _tables(report):
        title, rows = _cell(table.title), _markdown(table.heads, table.rows) if table.rows else [table.none]
        if table.long and table.rows:
            lines += [
                "",
                f"<details><summary>{title}: {len(table.rows)}</summary>",
                "",
                *rows,
                "",
                "</details>",
            ]
        else:
            lines += ["", f"**{title}**", "", *rows]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_data(report: Report) -> dict[str, Any]:
    """Return the same, complete. Times are RFC 3339, lengths seconds."""
    found = report.judgement
    data: dict[str, Any] = {
        "history": report.history,
        "note": report.note,
        "from": _clock(found.begin),
        "to": _clock(found.end),
        "months": round(found.months, 4),
        "notified": [
            _who(identity)
            | {"tier": tier, "receiver": receiver, "kind": kind, "count": count}
            | {"perMonth": found.per_month(count)}
            for identity, tier, receiver, kind, count in _told(found)
        ],
        "receivers": [
            {"receiver": receiver, "kind": kind, "messages": count, "perMonth": found.per_month(count)}
            for receiver, kind, count in _received(found)
        ],
        "episodes": [_episode_data(one) for one in found.episodes],
        "messages": [_message_data(one, found) for one in found.messages],
        "budgets": [
            {"of": one.of, "perMonth": one.per_month, "pages": one.pages, "exceeded": one.is_exceeded}
            for one in report.budgets
        ],
        "nobodyActedOn": [asdict(one) for one in report.unacted],
        "notJudged": [_who(one.identity) for one in found.unjudged],
    }
    if report.compared is not None:
        data["against"] = report.compared
        data["changes"] = [
            _who(one.identity)
            | {"before": one.before, "after": one.after}
            | {"added": [_episode_data(episode) for episode in one.added]}
            | {"removed": [_episode_data(episode) for episode in one.removed]}
            for one in report.changes
        ]
    return data


def _who(identity: Identity) -> dict[str, Any]:
    return dict(zip(("model", "slo", "alert"), identity, strict=True))


def _headline(report: Report) -> str:
    found = report.judgement
    stretch = f"{_minute(found.begin)} to {_minute(found.end)} UTC"
    interval = Duration.of_seconds(found.rules.interval / 1000)
    return f"{report.history}: {_length(found)} from {stretch}, evaluated every {interval}"


def _told(found: Judgement) -> Iterator[tuple[Identity, str, str, str, int]]:
    kinds = found.kinds
    alerts = {alert.identity: alert.tier for alert in found.rules.alerts}
    for identity, tier in sorted(alerts.items(), key=lambda item: (item[1], item[0])):
        for receiver, count in beginnings(found.of(identity)).items():
            yield identity, tier, receiver, kinds[receiver], count


def _told_rows(found: Judgement) -> Iterator[Row]:
    for (model, slo, alert), tier, receiver, kind, count in _told(found):
        yield tier, alert, f"{model} {slo}", receiver, kind, _monthly(found, count), str(count)


def _monthly(found: Judgement, count: int) -> str:
    monthly = found.per_month(count)
    if monthly is None:
        return ""
    return f"{monthly:.0f} a month" if monthly >= 10 else f"{monthly:.2g} a month"


def _received(found: Judgement) -> list[tuple[str, str, int]]:
    counts: dict[str, int] = {}
    for message in found.messages:
        counts[message.receiver] = counts.get(message.receiver, 0) + 1
    return [(receiver, found.kinds[receiver], count) for receiver, count in sorted(counts.items())]


def _episode_row(episode: Episode, found: Judgement) -> Row:
    model, slo, _ = episode.alert.identity
    stop = episode.stop
    length = f"{_duration((stop or found.end) - episode.start)}{'' if stop is not None else ' so far'}"
    return (
        _minute(episode.start),
        _minute(stop) if stop is not None else "it goes on",
        length,
        f"{episode.alert.tier} {_named(episode.labels, episode.alert.labels)}",
        f"{model} {slo}",
        f"{episode.worst:.4g}",
        "; ".join(_outcome(episode)),
    )


def _outcome(episode: Episode) -> Iterator[str]:
    times: dict[str, list[int]] = {}
    for receiver, time, _ in episode.told:
        times.setdefault(receiver, []).append(time)
    if times:
        yield "told " + ", ".join(
            receiver
            + (f" after {_duration(own[0] - episode.start)}" if own[0] - episode.start >= _LATE else "")
            for receiver, own in times.items()
        )
    reasons: dict[str, set[str]] = {}
    for cause, receiver, by in episode.held:
        reasons.setdefault(f"{_HELD[cause]} {by}", set()).add(receiver)
    for reason, receivers in reasons.items():
        yield f"{', '.join(sorted(receivers))} {reason}"
    if not times and not reasons:
        yield "nobody was told"
    if episode.inhibited:
        yield "inhibited " + ", ".join(sorted({labels["alertname"] for labels in episode.inhibited}))


def _episode_data(episode: Episode) -> dict[str, Any]:
    stop = episode.stop
    return {
        "labels": dict(episode.labels),
        "from": _clock(episode.start),
        "to": None if stop is None else _clock(stop),
        "seconds": None if stop is None else (stop - episode.start) / 1000,
        "worst": episode.worst,
        "told": [{"receiver": receiver, "time": _clock(time)} for receiver, time, _ in episode.told],
        "heldBack": [
            {"because": cause.value, "receiver": receiver, "by": by} for cause, receiver, by in episode.held
        ],
        "inhibited": [dict(labels) for labels in episode.inhibited],
    }


def _message_data(message: Notification, found: Judgement) -> dict[str, Any]:
    return {
        "time": _clock(found.begin + message.time),
        "receiver": message.receiver,
        "integration": str(message.integration),
        "reason": message.reason.value,
        "groupLabels": dict(message.group),
        "firing": [dict(labels) for labels in message.firing],
        "resolved": [dict(labels) for labels in message.resolved],
    }


def _change_rows(report: Report) -> Iterator[Row]:
    for change in report.changes:
        sign = "+" if change.before is None else "-" if change.after is None else "~"
        model, slo, alert = change.identity
        yield sign, alert, f"{model} {slo}", _counted(change.before), _counted(change.after)


def _counted(told: Mapping[str, int] | None) -> str:
    if told is None:
        return "no such alert"
    return ", ".join(f"{receiver} {count}" for receiver, count in told.items()) or "never"


def _changed_episodes(report: Report) -> Iterator[Row]:
    for change in report.changes:
        for sign, episodes in (("+", change.added), ("-", change.removed)):
            for one in episodes:
                stop = "it goes on" if one.stop is None else _minute(one.stop)
                yield sign, _minute(one.start), stop, _named(one.labels, one.alert.labels)


def _budget_rows(report: Report) -> Iterator[Row]:
    for one in report.budgets:
        pages = f"{one.pages} in {_length(report.judgement)}"
        yield one.of, pages, f"expected {one.per_month:g} a month", "exceeded" if one.is_exceeded else "kept"


def _named(labels: Labels, fixed: Mapping[str, str]) -> str:
    """``FeatureDrift{feature="amount"}``: the labels that its series brought, and an SLO does not fix."""
    told = ("alertname", MODEL, SLO, "window", "reference")
    own = Labels({k: v for k, v in labels.items() if k not in fixed and k not in told})
    return f"{labels['alertname']}{own if own else ''}"


def _length(found: Judgement) -> str:
    days = (found.end - found.begin) / 86_400_000
    return f"{days:.3g} days" if days >= 1 else _duration(found.end - found.begin)


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).isoformat().replace("+00:00", "Z")


def _minute(time: int) -> str:
    moment = datetime.fromtimestamp(time / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment.second else f"{moment:%Y-%m-%d %H:%M}"


def _duration(milliseconds: int) -> str:
    return str(Duration.of_seconds(milliseconds / 1000)) if milliseconds else "0s"


def _columns(rows: Sequence[Row]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]


def _markdown(heads: Row, rows: Sequence[Row]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows[:_MOST_ROWS]]
    return lines + (["", f"and {len(rows) - _MOST_ROWS} more"] if len(rows) > _MOST_ROWS else [])


def _cell(text: str) -> str:
    """Text in a table: nothing in it is Markdown or HTML."""
    for char in "\\`*_[]<>|":
        text = text.replace(char, f"\\{char}")
    return text.replace("\n", " ")


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"
