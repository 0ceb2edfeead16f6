"""Records of any shape become plain ones: chosen, joined, taken apart, with every value at a key of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from exporter.parse.json_lines import LONGEST_RECORD, Buffer
from exporter.parse.typed_rows import TypedRows
from exporter.records.opening import Members, opened_object
from exporter.records.pairs import STATUS, Pairs
from exporter.records.rows import PREFIX, Conditions, Record, Rows, Target, UnevenError, line_of
from exporter.records.texts import Texts
from exporter.state import Store
from mlslo.monitor import (
    ALTERNATIVE,
    FeatureArray,
    LabelFields,
    Labels,
    LatencyField,
    Monitor,
    OfflineFields,
    PredictionFields,
    Predictions,
    Skew,
)

_LOOKED_AT = 1000
# Of plain records at once: as many as a batch of them has.
_PORTION = 32 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STATUSES = {
    **dict.fromkeys((b'"success"', b'"succeeded"', b'"ok"', b'"completed"'), b"200"),
    **dict.fromkeys((b'"failure"', b'"failed"', b'"error"'), b"500"),
}
"""Words that stand for a status."""
_LISTS = {"ranking": ("score", "prediction", "label"), "multilabel": ("score", "prediction", "label")}
"""Fields of which a list of one element is a list, by task."""


Sample = Callable[[], bytes]
"""Returns the first records, as the paths of the monitor file find them, as lines."""


class Reshaped(NamedTuple):
    """Plain records, a sample of what they were made of, how many records gave none, and why."""

    lines: Buffer | TypedRows
    sample: Sample
    rejected: Counter[str]
    records: int = 0


class Reshaping:
    """Makes plain records of one log. ``needed``: whether its records are of another shape."""

    def __init__(self, monitor: Monitor, log: Predictions | Labels | Skew, store: Store, sink: str) -> None:
        """``sink``: whose halves of predictions wait in ``store``."""
        self.needed = monitor.spec.reshapes_predictions if isinstance(log, Predictions) else log.reshaped
        self._containers = () if self.needed else tuple(_containers(log.fields))
        self._texts = Texts(self._containers)
        self._where = Conditions(log.where or {})
        self._pairs: Pairs | None = None
        if isinstance(log, Predictions):
            self._rows = Rows(list(_of_predictions(monitor, log.fields)))
            if log.join is not None:
                self._pairs = Pairs(log.join, log.fields.timestamp, log.times, sink, store)
        elif isinstance(log, Labels):
            self._rows = Rows(list(_of_labels(monitor, log.fields)))
        else:
            self._rows = Rows(list(_of_offline(log.fields)))

    def plain(self, lines: Buffer, now: int) -> Reshaped:
        """Return the plain records of a sample of whole lines, as ``portions`` yields them, at once."""
        return next(self.portions(lines, now, most=None))

    def portions(
        self, lines: Buffer | TypedRows, now: int, *, arrived: int = 0, most: int | None = _PORTION
    ) -> Iterator[Reshaped]:
        """Yield the plain records of whole lines; take them in the transaction of the batch.

        ``now``: epoch µs. ``arrived``: since when they can be read, 0 where nobody writes any more. Portions are of
        about ``most`` bytes, one at least: rows of a few bytes each become records many times as long.
        """
        if isinstance(lines, TypedRows):
            if not (self.needed or any(map(lines.is_text, self._containers))):
                rows = lines
                yield Reshaped(rows, lambda: rows.at(range(min(len(rows), _LOOKED_AT))), Counter())
                return
            lines = bytes(lines)
        if not self.needed:
            opened = self._texts.opened(lines)
            yield Reshaped(opened, lambda: _first_lines(opened), Counter())
            return
        rejected: Counter[str] = Counter()
        records = self._selected(lines, rejected)
        whole = (
            self._pairs.join(records, now, arrived, rejected)
            if self._pairs
            else (members for _, members in records)
        )
        yield from self._reshaped(whole, rejected, most)

    @property
    def joins(self) -> bool:
        """True where requests wait for their responses."""
        return self._pairs is not None

    def expired(self, now: int) -> Reshaped | None:
        """Return plain records of requests that have no response by ``now`` (epoch µs), each an error.

        Call it in a transaction, until there are none: then it is None.
        """
        if self._pairs is None:
            return None
        rejected: Counter[str] = Counter()
        found = self._pairs.expired(now, rejected)
        return next(self._reshaped(found, rejected, None)) if found or +rejected else None

    def _selected(self, lines: Buffer, rejected: Counter[str]) -> Iterator[tuple[bytes, Members]]:
        for line in bytes(lines).removeprefix(_BYTE_ORDER_MARK).split(b"\n"):
            text = line.strip()
            if not text:
                continue
            members = opened_object(text)
            if members is None:
                rejected["malformed"] += 1
            elif not self._where.hold(members):
                rejected["not_selected"] += 1
            else:
                yield text, members

    def _reshaped(
        self, records: Iterable[Record], rejected: Counter[str], most: int | None
    ) -> Iterator[Reshaped]:
        """Yield portions of ``most`` bytes, with what was counted as ``rejected`` since the last one."""
        found: list[bytes] = []
        first: list[Record] = []
        size, number = 0, 0
        for record in records:
            if len(first) < _LOOKED_AT:
                first.append(record)
            try:
                rows, misfits = self._rows.of(record)
            except UnevenError:
                rejected["uneven_lists"] += 1
                continue
            found += rows
            size += sum(map(len, rows))
            if misfits:
                rejected["invalid_features"] += misfits
            if most is not None and size >= most:
                yield _portion(found, first, rejected)
                found, first, size, number = [], [], 0, number + 1
        if found or not number or +rejected:
            yield _portion(found, first, rejected)


def _portion(found: list[bytes], first: list[Record], rejected: Counter[str]) -> Reshaped:
    """Return a portion; ``rejected`` begins anew."""
    counted = +rejected
    rejected.clear()
    # Those with features that do not fit have given a record.
    without = counted.total() - counted["invalid_features"]
    return Reshaped(b"".join(found), lambda: b"\n".join(map(line_of, first)), counted, without)


def plain(monitor: Monitor) -> Monitor:
    """Return the monitor file as it is for plain records: where a log needs reshaping, with the keys of those."""
    spec = monitor.spec
    predictions, labels, skew = spec.predictions, spec.labels, spec.skew
    if spec.reshapes_predictions:
        predictions = predictions.model_copy(update={"fields": _plain_fields(predictions)})
    if labels is not None and labels.reshaped:
        paths = {name: _key(name) for name, path in labels.fields if path is not None}
        labels = labels.model_copy(update={"fields": LabelFields(**paths)})
    if skew is not None and skew.reshaped:
        named = {name: value for name, value in skew.fields if value is not None}
        named |= {name: _key(name) for name, value in named.items() if not isinstance(value, list | dict)}
        skew = skew.model_copy(update={"fields": OfflineFields.model_validate(named)})
    if predictions is spec.predictions and labels is spec.labels and skew is spec.skew:
        return monitor
    changed = spec.model_copy(update={"predictions": predictions, "labels": labels, "skew": skew})
    return Monitor(monitor.document, monitor.file.model_copy(update={"spec": changed}))


def _plain_fields(predictions: Predictions) -> PredictionFields:
    found: dict[str, object] = {}
    for name, value in predictions.fields:
        match value:
            case LatencyField(unit=unit):
                found[name] = LatencyField(field=_key(name), unit=unit)
            case list() | None:
                found[name] = value
            case _:
                found[name] = _key(name)
    if predictions.join is not None:
        found["status"] = _key("status")
    return PredictionFields.model_validate(found)


def _of_predictions(monitor: Monitor, fields: PredictionFields) -> Iterator[Target]:
    lists = _LISTS.get(monitor.spec.task, ())
    keys: set[str] = set()
    for name, value in fields:
        if isinstance(value, FeatureArray):
            yield Target(_key(name), _alternatives(value.path), opened=True, names=tuple(value.names))
        elif isinstance(value, LatencyField):
            yield Target(_key(name), _alternatives(value.field))
        elif isinstance(value, list):
            for path in value:
                keys.add(path)
                yield Target(path, _alternatives(path))
        elif name == "status":
            paths = (*_alternatives(value), STATUS) if value else (STATUS,)
            yield Target(_key(name), paths, words=_STATUSES)
        elif value is not None:
            yield Target(
                _key(name),
                _alternatives(value),
                opened=name in ("score", "prediction", "features", "attributions"),
                unwrapped=name not in lists,
                numbered=name == "id",
            )
    for path in monitor.spec.further_paths:
        if path not in keys:
            keys.add(path)
            yield Target(path, _alternatives(path))


def _of_labels(monitor: Monitor, fields: LabelFields) -> Iterator[Target]:
    lists = _LISTS.get(monitor.spec.task, ())
    for name, path in fields:
        if path is not None:
            keeps = name in lists
            yield Target(
                _key(name),
                _alternatives(path),
                opened=name == "label",
                unwrapped=not keeps,
                numbered=name == "id",
            )


def _of_offline(fields: OfflineFields) -> Iterator[Target]:
    yield Target(_key("id"), _alternatives(fields.id), unwrapped=True, numbered=True)
    if fields.timestamp is not None:
        yield Target(_key("timestamp"), _alternatives(fields.timestamp))
    match fields.features:
        case str(path):
            yield Target(_key("features"), _alternatives(path), opened=True)
        case FeatureArray(path=path, names=names):
            yield Target(_key("features"), _alternatives(path), opened=True, names=tuple(names))
    for path in dict.fromkeys((fields.feature_paths or {}).values()):
        yield Target(path, _alternatives(path))


def _first_lines(lines: Buffer) -> bytes:
    head = bytes(memoryview(lines)[: 2 * LONGEST_RECORD])
    return b"\n".join(head.split(b"\n", _LOOKED_AT)[:_LOOKED_AT])


def _containers(fields: PredictionFields | LabelFields | OfflineFields) -> Iterator[str]:
    """Yield the paths that other paths lead through."""
    for path in fields.paths():
        outer = path.rpartition(".")[0]
        if outer:
            yield outer
    if not isinstance(fields, LabelFields):
        if isinstance(fields.features, FeatureArray):
            yield fields.features.path
        elif fields.feature_container is not None:
            yield fields.feature_container


def _alternatives(path: str) -> tuple[str, ...]:
    return tuple(path.split(ALTERNATIVE))


def _key(name: str) -> str:
    return PREFIX + name


def reshapings(monitor: Monitor, store: Store, prefix: str = "") -> dict[str, Reshaping]:
    """Return what makes plain records of each log, by its sink. ``prefix``: of whose halves wait in ``store``."""
    return {sink: Reshaping(monitor, log, store, prefix + sink) for sink, log in monitor.spec.logs.items()}
