"""Files and command lines that were damaged at random: fine, or clear messages with a place; never a traceback, nor
half a folder. `python -m tests.damage` does so tens of thousands of times."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.damage import judge, oracles, run
from tests.damage.cases import make
from tests.support.properties import examples


@settings(max_examples=examples(80), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_damage_is_answered_with_a_message(seed: int) -> None:
    case = make(Random(seed))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run.prepare(case, folder)
        before = run.snapshot(folder)
        outcome = run.here(case.program, case.arguments, folder)
        assert list(judge.problems(case, outcome, before, run.snapshot(folder))) == [], case
        if outcome.code == 0 and case.arguments[0] == "generate":
            assert list(oracles.schemas(case, folder)) == [], case
