"""Keys of what is kept beside something that is costly to compare."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Same(Generic[Item]):
    """``item``, equal to itself only. It is held on to, so that nothing else takes its place."""

    def __init__(self, item: Item) -> None:
        self.item = item

    def __hash__(self) -> int:
        return id(self.item)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.item is other.item
