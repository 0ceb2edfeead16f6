"""Some fuzzing of each target, the same inputs each time, and all that was ever kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fuzz.fuzzing import fuzz
from tests.fuzz.targets import TARGETS, Run, Target


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_raises(name: str) -> None:
    outcome = fuzz(name, TARGETS[name], seed=1, seconds=60, cases=20)
    assert outcome.cases >= 20
    assert not [finding.text for finding in outcome.findings]


def test_what_raises_is_found() -> None:
    """A fuzzer that finds nothing must be able to."""

    @contextmanager
    def opened() -> Iterator[Run]:
        def run(data: bytes) -> None:
            if b"null" in data:
                raise KeyError("null")

        yield run

    outcome = fuzz("no corpus", Target(opened, [b'{"a": 1}'], []), seed=1, seconds=60, cases=2000)
    assert len(outcome.findings) == 1
    assert b"null" in outcome.findings[0].data
