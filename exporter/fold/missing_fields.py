"""Mapped fields that no record has any more: said once, in the words of `check`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from exporter.records.accounts.field_accounts import Records
from exporter.records.accounts.mapped_fields import Mapped, judge

logger = logging.getLogger(__name__)

# So many records in a row without a field are no accident.
_ENOUGH = 100


class MissingFields:
    """The fields of one sink of one model."""

    def __init__(self, model: str, sink: str) -> None:
        self._model = model
        self._sink = sink
        self._missing: Counter[str] = Counter()
        self._looked_at: set[str] = set()
        self._waiting: tuple[bytes, Sequence[Mapped]] | None = None
        self._first = True
        self._begun = False

    def look(self, sample: Callable[[], bytes], mapped: Sequence[Mapped], records: int) -> None:
        """Take one batch of ``records`` that should have all fields.

        ``sample``: returns its first lines; they are read where a field is in no record.
        """
        if not records:
            # A batch of positions only.
            return
        there = {item.field.what for item in mapped if item.read}
        self._looked_at -= there
        for what in there:
            self._missing.pop(what, None)
        gone = [item.field.what for item in mapped if not item.read]
        for what in gone:
            self._missing[what] += records
        # What the columns cannot tell is no reason to read text, unless nothing could be read at all.
        certain = {item.field.what for item in mapped if item.read is False or not there}
        new = [what for what in gone if what in certain - self._looked_at and self._missing[what]]
        self._waiting = None
        self._begun |= records > 0
        if any(self._missing[what] >= _ENOUGH for what in new):
            self._say(sample(), mapped)
        elif new and self._first:
            self._waiting = sample(), mapped

    def end_of_cycle(self) -> None:
        """Say what no record of the first cycle had, be they ever so few."""
        if self._waiting is not None:
            self._say(*self._waiting)
            self._waiting = None
        self._first = self._first and not self._begun

    def _say(self, sample: bytes, mapped: Sequence[Mapped]) -> None:
        self._first = False
        fields = [item.field for item in mapped]
        found = judge(Records(sample, fields, examples=False), mapped).found
        for what, warning in found.items():
            if what not in self._looked_at:
                logger.warning("model %s: %s: %s", self._model, self._sink, warning)
        # Also those that turned out to be there: what cannot be told from the columns is looked at once.
        self._looked_at |= {*found, *(item.field.what for item in mapped if not item.read)}
