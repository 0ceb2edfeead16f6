"""Pieces of PromQL, written so that a person can read them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from json.encoder import encode_basestring


def exact(number: float | str | Decimal) -> Decimal:
    """The decimal number that was written in the file, so that 14.4 x 0.005 is 0.072."""
    return number if isinstance(number, Decimal) else Decimal(str(number))


@lru_cache(4096, typed=True)
def number(value: float | Decimal) -> str:
    """``value`` in its shortest decimal form, without an exponent."""
    text = format(exact(value), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def quote(text: str) -> str:
    """``text`` as a PromQL string; JSON's escapes are a subset of PromQL's."""
    return encode_basestring(text)


@dataclass(frozen=True)
class OneOf:
    """A label that has one of several plain words; the empty one is a label that is not there."""

    words: tuple[str, ...]


class Given(Enum):
    """A label that is there, whatever its value."""

    ANY = '!=""'


Matcher = str | OneOf


def selector(name: str, matchers: Mapping[str, Matcher | Given]) -> str:
    """``name{a="x",b=~"y|z"}``."""
    inside = ",".join([f"{label}{_matched(value)}" for label, value in matchers.items()])
    return f"{name}{{{inside}}}"


def _matched(value: Matcher | Given) -> str:
    match value:
        case str():
            return f"={quote(value)}"
        case OneOf():
            return f"=~{quote('|'.join(value.words))}"
        case Given():
            return value.value


def by(labels: Iterable[str]) -> str:
    """``by (a, b)``."""
    return f"by ({', '.join(labels)})"


def on(labels: Iterable[str]) -> str:
    """``on (a, b)``."""
    return f"on ({', '.join(labels)})"


def block(expression: str) -> str:
    """``expression`` in parentheses, indented on lines of its own."""
    inner = expression.replace("\n", "\n  ")
    return f"(\n  {inner}\n)"
