"""The texts of generated files, put together when they are asked for: all at once may be half a gigabyte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

Made = str | Callable[[], str]


class MadeFiles(Mapping[str, str]):
    """Texts by name. One that is put together is so each time: whoever needs it twice keeps it."""

    def __init__(self, made: Mapping[str, Made]) -> None:
        self._made = made

    def __getitem__(self, name: str) -> str:
        made = self._made[name]
        return made if isinstance(made, str) else made()

    def __contains__(self, name: object) -> bool:
        return name in self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)
