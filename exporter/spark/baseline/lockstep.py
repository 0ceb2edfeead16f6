"""Lockstep: what many threads ask of the rows is asked at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Any, NamedTuple, TypeVar

from exporter.references.baseline.source import Part, merged

Item = TypeVar("Item")
Found = TypeVar("Found")


class Request(NamedTuple):
    """``function``: of each part. ``merge``: of what it finds in two. ``in_order``: of the parts."""

    function: Callable[[Part], Any]
    merge: Callable[[Any, Any], Any] = merged
    in_order: bool = False


class Lockstep:
    """Threads of which one runs at a time. When all of them wait, their requests are answered together."""

    def __init__(self, answer: Callable[[Sequence[Request]], Sequence[Any]]) -> None:
        self._answer = answer
        self._turn = Condition()
        self._running = 0
        self._waiting: list[tuple[Request, list[Any]]] = []

    def ask(self, request: Request) -> Any:
        """Return the answer to a request, when all threads have asked."""
        if not self._running:
            return self._answer([request])[0]
        box: list[Any] = []
        self._waiting.append((request, box))
        self._turn.notify_all()
        while not box:
            self._turn.wait()
        if isinstance(box[0], BaseException):
            raise box[0]
        return box[0]

    def run(self, function: Callable[[Item], Found], items: Sequence[Item]) -> list[Found]:
        """Return what ``function`` returns of each item; raise the first of their errors."""
        found: dict[int, Found] = {}
        errors: list[BaseException] = []

        def work(place: int, item: Item) -> None:
            with self._turn:
                try:
                    found[place] = function(item)
                except BaseException as error:
                    errors.append(error)
                finally:
                    self._running -= 1
                    self._turn.notify_all()

        with self._turn:
            self._running = len(items)
            for place, item in enumerate(items):
                Thread(target=work, args=(place, item), daemon=True).start()
            while self._running:
                if len(self._waiting) == self._running:
                    waiting, self._waiting = self._waiting, []
                    try:
                        answers = self._answer([request for request, _ in waiting])
                    except BaseException as error:
                        answers = [error] * len(waiting)
                    for (_, box), answer in zip(waiting, answers, strict=True):
                        box.append(answer)
                    self._turn.notify_all()
                self._turn.wait()
        if errors:
            raise errors[0]
        return [found[place] for place in range(len(items))]
