"""Settings of the whole suite."""

from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# Time limits per example fail on busy machines without a bug in sight; pytest-timeout catches what hangs.
settings.register_profile("mlslo", deadline=None, max_examples=60)
settings.load_profile("mlslo")


_STATES: dict[str, Any] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test draws from its module's RNG as it was after the import, whichever tests ran before it."""
    module = getattr(item, "module", None)
    generator = getattr(module, "RNG", None)
    if isinstance(generator, np.random.Generator):
        assert module is not None
        state = _STATES.setdefault(module.__name__, generator.bit_generator.state)
        generator.bit_generator.state = state
