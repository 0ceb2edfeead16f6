"""Suggest the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# Nobody means a name by a text.
_LONGEST = 200


def quoted_list(names: Iterable[str], most: int = 12) -> str:
    """``a, b, c``; long lists are cut with how many more there are."""
    listed = list(names)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """``; did you mean 'x'?`` or an empty string where nothing is near."""
    if len(name) > _LONGEST:
        return ""
    candidates = {candidate.lower(): candidate for candidate in valid}
    near = get_close_matches(name.lower(), candidates, n=1, cutoff=0.6)
    return f"; did you mean '{candidates[near[0]]}'?" if near else ""
