"""The number of examples of a property: fewer in the quick lane."""

from hypothesis import settings


def examples(number: int) -> int:
    """Return half of ``number`` in the whole suite, a tenth of it in the quick lane: profiles scale it."""
    current = settings.default
    assert current is not None
    return max(1, number * current.max_examples // 60)
