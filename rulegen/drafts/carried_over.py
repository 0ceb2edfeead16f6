"""SLOs of other tools, carried over: what of a file was read, what was not, and ModelSLO files of the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from promql_parser import AggregateExpr, BinaryExpr, Expr, ParenExpr, VectorSelector

from mlslo.yamlfile import Document, Duration, InputError, Location, Problem, parse, read_text, shown
from mlslo.yamlfile.commented import Block, dump
from rulegen.drafts.routing import ROUTING
from rulegen.promql.query import QueryError
from rulegen.promql.query import parse as parse_query
from rulegen.promql.query.window import ranges
from rulegen.spec import model_slo, routing
from rulegen.validation import slo_checks

WINDOW = "{{.window}}"
_SEPARATOR = re.compile(r"^---(?=\s|$)[^\n]*$", re.MULTILINE)
_OWN_RANGE = re.compile(r"\[\s*(?:[0-9][0-9a-z]*|\$\{?__\w+\}?)\s*\]")


class Source:
    """A document of another tool, and which of its keys were read."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._taken: set[Location] = set()

    def take(self, at: Location, kind: type | tuple[type, ...] = str) -> Any:
        """Return the value at ``at`` and mark it as read; None where there is none. Raises InputError."""
        value = self.peek(at)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            names: dict[Any, str] = {str: "text", dict: "a mapping", list: "a list", bool: "true or false"}
            raise self.document.error(at, f"expected {names.get(kind, 'a number')}, got {shown(value)}")
        if not isinstance(value, dict | list):
            self._taken.add(at)
        return value

    def peek(self, at: Location) -> Any:
        """Return the value at ``at``; None where there is none."""
        value: Any = self.document.data
        for part in at:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def needed(self, at: Location, kind: type | tuple[type, ...] = str) -> Any:
        """Return the value at ``at``, which must be there. Raises InputError."""
        found = self.take(at, kind)
        if found is None:
            raise self.document.error(at[:-1], f"missing key '{at[-1]}'")
        return found

    def mark(self, at: Location) -> None:
        """Mark all that is at ``at`` as read, or as told."""
        self._taken.add(at)

    def is_read(self, at: Location) -> bool:
        """Return whether the value at ``at`` was read."""
        return at in self._taken

    def rest(self, at: Location = ()) -> Iterator[Location]:
        """Yield the outermost places below ``at`` of which nothing was read."""
        if at in self._taken:
            return
        value = self.peek(at)
        if not any(taken[: len(at)] == at for taken in self._taken) or not value:
            if value is not None or at:
                yield at
            return
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from self.rest((*at, key))


@dataclass
class CarriedOver:
    """``services``: name of a model -> its SLOs. ``told``: what was not carried over, and why."""

    services: dict[str, list[Block]] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    told: list[Problem] = field(default_factory=list)

    def tell(self, source: Source, at: Location, why: str) -> None:
        """Say that what stands at ``at`` was not carried over."""
        source.mark(at)
        key = next((part for part in reversed(at) if isinstance(part, str)), "the document")
        told = source.document.problem(at, f"not carried over: '{key}': {why}", key=True)
        if told not in self.told:
            self.told.append(told)

    def try_slo(self, source: Source, at: Location, service: str, build: Callable[[], Block]) -> None:
        """Add the SLO that ``build`` makes of what stands at ``at``; where it cannot be one of ours, say why."""
        try:
            slo = build()
            names = {str(own["name"]) for own in self.services.get(service, ())}
            _check(service, slo)
        except InputError as error:
            mine = [problem for problem in error.problems if problem.file == str(source.document.path)]
            self.told += [
                Problem(
                    problem.file,
                    problem.line,
                    problem.column,
                    f"not carried over, nor is its SLO: {problem.message}",
                )
                for problem in mine
            ]
            for problem in error.problems:
                if problem not in mine:
                    self.told.append(
                        source.document.problem(at, f"not carried over: this SLO: {problem.message}")
                    )
            source.mark(at)
            return
        if slo["name"] in names:
            self.tell(source, at, f"a second SLO '{slo['name']}' of the service '{service}'")
            return
        self.services.setdefault(service, []).append(slo)

    def files(self) -> dict[str, str]:
        """Return the ModelSLO files: name -> text."""
        found = {}
        for service, slos in self.services.items():
            name = _file_name(service)
            content = _model_slo(service, slos, self.labels.get(service, {}))
            content["metadata"]["name"] = name
            written = Block()
            written.comment(
                "Written by `mlslo-rulegen import`. Beside these promises about requests, a model deserves"
            )
            written.comment(
                "alerts on its data and its quality: `mlslo-rulegen init`, with its monitor file, writes them."
            )
            written.update(content)
            found[name] = dump(written)
        return found


def sources(files: Sequence[Path]) -> list[Source]:
    """Read files of one or more YAML documents. Raises InputError."""
    found = []
    for file in files:
        text = read_text(file)
        begins = [0, *(match.end() for match in _SEPARATOR.finditer(text))]
        ends = [*(match.start() for match in _SEPARATOR.finditer(text)), len(text)]
        for begin, end in zip(begins, ends, strict=True):
            part = text[begin:end]
            if any(line.strip() and not line.lstrip().startswith("#") for line in part.splitlines()):
                # Lines before it keep their number.
                document = parse(file, "\n" * text.count("\n", 0, begin) + part)
                if not isinstance(document.data, dict):
                    raise document.error((), "expected a mapping")
                found.append(Source(document))
    return found


def percent(source: Source, at: Location, *, ratio: bool) -> float:
    """Return the objective at ``at`` in percent. Raises InputError."""
    value = source.needed(at, (int, float))
    try:
        found = Decimal(str(value)) * (100 if ratio else 1)
    except InvalidOperation:
        raise source.document.error(at, f"expected a number, got {value}") from None
    return float(found)


def duration(source: Source, at: Location, text: str) -> Duration:
    """Return the length of time ``text`` at ``at``. Raises InputError."""
    try:
        return Duration(text)
    except ValueError as error:
        raise source.document.error(at, str(error)) from None


def name_of(text: str) -> str:
    """Return ``text`` as the name of an SLO."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:63] or "slo"


def windowed(source: Source, at: Location, query: str, *, counters: bool = False) -> str:
    """Return a query of events with the window where the range goes. Raises InputError where that cannot be.

    A range of its own becomes the window; a plain sum of counters, where ``counters``, a rate over it.
    """
    query = query.strip()
    if WINDOW in query.replace(" ", ""):
        return query
    text = _OWN_RANGE.sub(f"[{WINDOW}]", query)
    try:
        tree = parse_query(text.replace(WINDOW, "5m")).tree
    except QueryError as error:
        raise source.document.error(at, f"no PromQL: {error}") from None
    if any(True for _ in ranges(tree)):
        return text
    rated = _rated(tree) if counters else None
    if rated is None:
        message = "no range such as [5m] in which events are counted, and no sum of counters (counter: true)"
        raise source.document.error(at, message)
    return rated


def _rated(node: Expr) -> str | None:
    match node:
        case VectorSelector() if node.offset is None and node.at is None:
            return f"rate({node.prettify()}[{WINDOW}])"
        case ParenExpr():
            inner = _rated(node.expr)
            return inner and f"({inner})"
        case AggregateExpr() if str(node.op) == "sum" and node.modifier is None:
            inner = _rated(node.expr)
            return inner and f"sum({inner})"
        case BinaryExpr() if str(node.op) in ("+", "-") and node.modifier is None:
            left, right = _rated(node.lhs), _rated(node.rhs)
            return f"{left} {node.op} {right}" if left and right else None
    return None


def errors_of(good: str, total: str) -> str:
    """Return bad events; all of them where no good one is counted at all."""
    return f"{summed(total)} - {or_none(good, total)}"


def or_none(events: str, total: str) -> str:
    """Return the sum of events, 0 where there are others and none of these."""
    return f"({summed(events)} or 0 * {summed(total)})"


def summed(query: str) -> str:
    """Return the sum of a query's series."""
    tree = parse_query(query.replace(WINDOW, "5m")).tree
    is_sum = isinstance(tree, AggregateExpr) and str(tree.op) == "sum" and tree.modifier is None
    return query if is_sum else f"sum({query})"


def _check(service: str, slo: Block) -> None:
    """Raise InputError where an SLO is none that `generate` takes."""
    document = parse(Path("draft"), dump(Block(_model_slo(service, [slo], {}))))
    file = model_slo.from_document(document)
    standard = routing.from_document(parse(Path("routing"), ROUTING))
    if problems := list(slo_checks.of_model(file, standard, ())):
        raise InputError(problems)


def _model_slo(service: str, slos: Sequence[Block], labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "mlslo/v1", "kind": "ModelSLO",
        "metadata": Block({"name": _file_name(service), **({"labels": dict(labels)} if labels else {})}),
        "spec": Block({"model": service, "slos": list(slos), "noData": {"tier": "P2", "after": "30m"}}),
    }  # fmt: skip


def _file_name(service: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", service).strip("-._")[:60] or "service"
