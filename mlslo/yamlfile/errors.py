"""An input error with its position in the file, and how its message names values and the nearest valid thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

_LONGEST = 2000
# Nobody means a name by a text.
_LONGEST_NAME = 200


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. ``line`` and ``column`` count from 1; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return _one_line(f"{place}: {_cut(self.message)}")


def _cut(text: str) -> str:
    """Without the middle of what is too long to be read: a value of the file, as it was found."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


def _one_line(text: str) -> str:
    """Text of a user's file as a terminal may show it: line breaks, colours and the like are written out."""
    if text.isprintable():
        return text
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)


class InputError(Exception):
    """Input that cannot be used; its text has one line per problem, by place, then in the order found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        found = dict.fromkeys(problems)
        self.problems = tuple(sorted(found, key=lambda problem: (problem.file, problem.line, problem.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of_file(cls, file: object, message: str) -> InputError:
        """An error of ``file`` as a whole: missing, unreadable, not text."""
        return cls([Problem(str(file), 0, 0, message)])


def read_text(path: Path) -> str:
    """Return the text of a file, with its line ends as they are. Raises InputError."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise InputError.of_file(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError.of_file(path, "expected UTF-8 text") from None


def shown(value: object) -> str:
    """``'text'``, cut where it is long; a number; ``a mapping``, ``a list``, ``nothing``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case Mapping():
            return "a mapping"
        case str():
            return f"'{value}'" if len(value) <= 80 else f"'{value[:77]}...'"
        case Sequence():
            return "a list"
        case _:
            return str(value)


def quoted_list(names: Iterable[str], most: int = 12) -> str:
    """``a, b, c``; long lists are cut with how many more there are."""
    listed = list(names)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """``; did you mean 'x'?`` or an empty string where nothing is near."""
    if len(name) > _LONGEST_NAME:
        return ""
    candidates = {candidate.lower(): candidate for candidate in valid}
    near = get_close_matches(name.lower(), candidates, n=1, cutoff=0.6)
    return f"; did you mean '{candidates[near[0]]}'?" if near else ""
