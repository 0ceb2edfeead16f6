"""A test by the real clock has the machine alone, however busy the other workers are."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.turns import Turns, unless_late

WORKERS = 3


def test_who_is_alone_is_alone_and_is_not_kept_waiting(tmp_path: Path) -> None:
    ended = threading.Event()
    inside: set[int] = set()
    came = [0] * WORKERS
    waiting: set[int] = set()

    def work(number: int) -> None:
        turns = Turns(tmp_path)
        while not ended.is_set():
            waiting.add(number)
            with turns.together():
                waiting.discard(number)
                inside.add(number)
                came[number] += 1
                inside.discard(number)

    own = Turns(tmp_path)
    with ThreadPoolExecutor(WORKERS) as pool:
        working = [pool.submit(work, number) for number in range(WORKERS)]
        try:
            for _ in range(20):
                _passes(came)
                with own.together():
                    # Who is only in the house keeps nobody out.
                    _passes(came)
                    with own.alone():
                        before = list(came)
                        _until(lambda: len(waiting) == WORKERS)
                        assert (inside, came) == (set(), before)
                    _passes(came)
        finally:
            ended.set()
        for one in working:
            one.result()


def test_two_that_want_to_be_alone_come_one_after_the_other(tmp_path: Path) -> None:
    alone: list[int] = []

    def work(number: int) -> None:
        turns = Turns(tmp_path)
        for _ in range(50):
            with turns.together(), turns.alone():
                alone.append(number)
                assert alone == [number]
                alone.clear()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))


def test_each_test_is_in_the_house(turns: Turns) -> None:
    """The hook of tests/conftest.py brings it there: nobody else can be alone meanwhile."""
    with (turns.folder / "house").open() as house:
        with pytest.raises(BlockingIOError):
            fcntl.flock(house, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with turns.alone(), pytest.raises(BlockingIOError):
            fcntl.flock(house, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_a_failure_counts_where_the_machine_was_in_time() -> None:
    with pytest.raises(AssertionError, match="wrong"), unless_late(3600):
        raise AssertionError("wrong")
    with pytest.raises(pytest.skip.Exception, match=r"the machine was \d+ ms late: wrong"), unless_late(-1):
        raise AssertionError("wrong")


def _passes(counts: list[int]) -> None:
    """Wait until all have gone on."""
    before = tuple(counts)
    _until(lambda: all(map(int.__lt__, before, counts)))


def _until(found: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(100_000):
        if found():
            return
        pause.wait(0.001)
    raise AssertionError("it did not come about")
