"""The labels of one alert, which are its identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Labels(Mapping[str, str]):
    """Immutable, hashable; labels without a value are left out, as Alertmanager does."""

    __slots__ = ("_hash", "_items", "_values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._items = tuple(sorted((name, value) for name, value in values.items() if value))
        self._values = dict(self._items)
        self._hash = hash(self._items)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labels) and self._items == other._items

    def __lt__(self, other: Labels) -> bool:
        return self._items < other._items

    def __repr__(self) -> str:
        return "{" + ", ".join(f'{name}="{value}"' for name, value in self._items) + "}"

    def matching(self, names: frozenset[str] | None) -> Labels:
        """Only the labels of these names; all of them for None."""
        if names is None:
            return self
        return Labels({name: value for name, value in self._items if name in names})
