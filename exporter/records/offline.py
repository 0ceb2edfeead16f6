"""Records of offline features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from exporter.features import KINDS
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Buffer, Parser
from exporter.parse.typed_rows import TypedRows
from exporter.records import compared
from exporter.records.features import feature_value
from exporter.records.labels import joined, judged
from exporter.summary.base import Integers
from mlslo.monitor import Skew


class OfflineColumns(NamedTuple):
    """Usable offline records.

    ``time``: epoch µs, or the smallest int64 where the record has none. ``codes``: of values, shape (rows, features).
    """

    records: int
    rejected: Counter[str]
    id: Integers
    time: Integers
    codes: Integers

    def until(self, time: int) -> OfflineColumns:
        """Return the records of up to ``time`` (epoch µs), as if the later ones had not been logged yet."""
        rows = np.flatnonzero(self.time <= time)
        number = self.records - len(self.id) + len(rows)
        return self._replace(records=number, id=self.id[rows], time=self.time[rows], codes=self.codes[rows])


class OfflineDecoder:
    """Decodes offline records. ``features``: feature -> kind, of those that are compared."""

    def __init__(self, skew: Skew, features: Mapping[str, str]) -> None:
        """Raises ValueError where two names of one object differ in case only."""
        fields = skew.fields
        self._features = features

        def request(paths: FieldPaths) -> dict[str, str]:
            return {
                **joined(paths, fields.id, fields.timestamp, skew.times),
                "empty": paths.empty(),
                **compared.expressions(self._values(skew, paths), features),
            }

        self._parser = Parser(request)

    def _values(self, skew: Skew, paths: FieldPaths) -> dict[str, str]:
        """Feature -> SQL for its raw value. Shallow ones first, as in predictions."""
        named, found = skew.fields.feature_paths, {}
        for name in sorted(self._features, key=lambda name: name.count(".")):
            parsed_as = KINDS[self._features[name]].parsed_as
            if named is None:
                found[name] = feature_value(paths, skew.fields, name, parsed_as)
            elif name in named:
                found[name] = paths.member(None, named[name], parsed_as)
            else:
                found[name] = "NULL::DOUBLE" if parsed_as == "number" else "NULL::VARCHAR"
        return found

    def close(self) -> None:
        """Release the parser."""
        self._parser.close()

    def decode(self, lines: Buffer | TypedRows, latest: int) -> OfflineColumns:
        """Decode whole lines; records from after ``latest`` (epoch µs) are rejected, those without a time kept."""
        raw, too_long = self._parser.select(lines)
        time, identity, usable, rejected = judged(raw, too_long, latest)
        return OfflineColumns(
            len(usable) + too_long,
            rejected,
            identity[usable],
            time[usable],
            compared.codes(raw, self._features)[usable],
        )
