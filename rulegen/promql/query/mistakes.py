"""The place at which a text stops being PromQL, and what is wrong there: the parser's errors have none."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mlslo.yamlfile import did_you_mean

# Those that 2.31, the oldest version with all that the generator itself writes, does not have.
NEWER = {
    "day_of_year": "2.37",
    "histogram_avg": "2.51",
    "histogram_count": "2.40",
    "histogram_fraction": "2.40",
    "histogram_stddev": "2.46",
    "histogram_stdvar": "2.46",
    "histogram_sum": "2.40",
}
# These need --enable-feature=promql-experimental-functions, whatever the version.
EXPERIMENTAL = frozenset(
    {
        "double_exponential_smoothing", "first_over_time", "histogram_quantiles", "info", "mad_over_time",
        "max_of", "min_of",
        "sort_by_label", "sort_by_label_desc", "step", "range", "start", "end",
        "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
    }
)  # fmt: skip
EXPERIMENTAL_AGGREGATIONS = frozenset({"limitk", "limit_ratio"})
# Gone, since which version. `holt_winters` is `double_exponential_smoothing` since, which is experimental.
GONE = {"holt_winters": "3.0"}
_OLD = (
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh", "avg_over_time",
    "ceil", "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh", "count_over_time", "day_of_month",
    "day_of_week", "days_in_month", "deg", "delta", "deriv", "exp", "floor", "histogram_quantile",
    "hour", "idelta", "increase", "irate", "label_join", "label_replace", "last_over_time", "ln", "log10", "log2",
    "max_over_time", "min_over_time", "minute", "month", "pi", "predict_linear", "present_over_time",
    "quantile_over_time", "rad", "rate", "resets", "round", "scalar", "sgn", "sin", "sinh", "sort", "sort_desc",
    "sqrt", "stddev_over_time", "stdvar_over_time", "sum_over_time", "tan", "tanh", "time", "timestamp", "vector",
    "year",
)  # fmt: skip
FUNCTIONS = frozenset({*_OLD, *NEWER, *GONE})
_CLOSES = {")": "(", "]": "[", "}": "{"}
_OPENS = {opened: closed for closed, opened in _CLOSES.items()}
# What may be missing at the end of a beginning, but for the brackets that are open.
_ENDINGS = ("", " x", '="x"', '"x"')
# The parser's errors about the form; all others are about a text of the right form.
_FORM = (
    "invalid promql", "unexpected", "unclosed", "unterminated", "bad number", "not a valid duration", "ParseFloat",
)  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)
      | (?P<quote>["'`])
      | (?P<open>[(\[{])
      | (?P<close>[)\]}])
      | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+(?![a-zA-Z0-9_]))
      | (?P<number>(?:0x[0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+\.)(?![a-zA-Z0-9_]))
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<operator>==|!=|<=|>=|=~|!~|[-+*/%^<>=,@!:])
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A word, and where it stands. ``kind`` is the name of its group in the pattern."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tokens(text: str) -> Iterator[Token]:
    """The words of ``text``, without spaces and comments."""
    for found in _TOKEN.finditer(text):
        if found.lastgroup not in ("space", "comment"):
            yield Token(str(found.lastgroup), found.group(), found.start())


Parse = Callable[[str], object]


def explain(text: str, said: str, parse: Parse) -> tuple[str, int]:
    """A message for the parser's error ``said`` about ``text``, and the offset that it is about."""
    found = list(tokens(text))
    if not found:
        return "expected an expression, got nothing", 0
    if unclosed := _brackets(found):
        return unclosed
    if name := re.search(r"unknown function with name '(.*)'", said):
        message = f"unknown function '{name[1]}'{did_you_mean(name[1], FUNCTIONS)}"
        return message, place_of(text, name[1], "(")
    if called := re.search(r"call to(?: function)? '(.*)'", said):
        return said, place_of(text, called[1], "(")
    if pattern := re.search(r"illegal regex for (.*)", said, re.DOTALL):
        place = next((token.start for token in found if pattern[1] in token.text), 0)
        return f"'{pattern[1]}' is no regular expression", place
    if not said.startswith(_FORM):
        return said, 0
    wrong = _first_wrong(text, found, parse)
    if wrong is None:
        return "it ends too early", len(text.rstrip())
    return f"'{wrong.text}' is not expected here", wrong.start


def place_of(text: str, *words: str) -> int:
    """Return the offset of words that stand one after the other; 0 where they don't, or in several places."""
    found = list(tokens(text))
    count = len(words)
    places = [
        found[index].start
        for index in range(len(found) - count + 1)
        if tuple(token.text for token in found[index : index + count]) == words
    ]
    return places[0] if len(places) == 1 else 0


def _brackets(found: Sequence[Token]) -> tuple[str, int] | None:
    opened: list[Token] = []
    for token in found:
        if token.kind == "quote":
            return f"a {token.text} is not closed", token.start
        if token.kind == "open":
            opened.append(token)
        if token.kind == "close":
            if not opened or opened[-1].text != _CLOSES[token.text]:
                return f"a '{token.text}' closes nothing", token.start
            opened.pop()
    if opened:
        return f"a '{opened[-1].text}' is not closed", opened[-1].start
    return None


def _first_wrong(text: str, found: Sequence[Token], parse: Parse) -> Token | None:
    """Find the word after the longest beginning that can be made an expression."""
    opened: list[str] = []
    right = 0
    for index, token in enumerate(found, 1):
        if token.kind == "open":
            opened.append(_OPENS[token.text])
        elif token.kind == "close":
            opened.pop()
        closing = "".join(reversed(opened))
        if any(_has_form(f"{text[: token.end]}{ending}{closing}", parse) for ending in _ENDINGS):
            right = index
    return found[right] if right < len(found) else None


def _has_form(text: str, parse: Parse) -> bool:
    try:
        parse(text)
    except ValueError as error:
        return not str(error).startswith(_FORM)
    return True
