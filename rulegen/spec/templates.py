"""Notification templates in users' texts, read as Alertmanager does when it sends: syntax, functions, fields, names.

Alertmanager itself finds a mistake when the first alert fires, and then sends nothing.
https://pkg.go.dev/text/template and https://prometheus.io/docs/alerting/latest/notifications/
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

import yaml

from mlslo.yamlfile import did_you_mean, quoted_list
from rulegen.promql.versions import OLDEST, Gate
from rulegen.spec.template_tokens import TemplateError, Token, tokens

_LANGUAGE: dict[str, Any] = yaml.load(
    (resources.files("rulegen") / "spec" / "template_language.yaml").read_bytes(), yaml.CSafeLoader
)
FIELDS: dict[str, dict[str, str]] = _LANGUAGE["types"]
ELEMENTS: dict[str, str] = _LANGUAGE["elements"]
FUNCTIONS: dict[str, list[str]] = _LANGUAGE["functions"]
# Alertmanager's own: the name, and what it needs.
TEMPLATES = {name: needed for needed, names in _LANGUAGE["templates"].items() for name in names}
_SINCE = {name: version for version, names in _LANGUAGE["since"].items() for name in names}
_ANY_NUMBER = -1
_KEYWORDS = ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")


@cache
def ours() -> dict[str, list[Token]]:
    """Our own templates: the name and the body of each."""
    folder = resources.files("rulegen") / "alertmanager" / "templates"
    found: dict[str, list[Token]] = {}
    for file in folder.iterdir():
        if file.name.endswith(".tmpl"):
            reader = _Reader(tokens(file.read_text(encoding="utf-8")), "99", {}, ())
            reader.read("any", calls=False)
            found |= reader.defined
    return found


def mistakes(text: str, version: str, others: Sequence[str] = ()) -> Iterator[tuple[int, str]]:
    """Find the first mistake in a text that Alertmanager ``version`` expands for a group of alerts: its offset, words.

    ``others``: names of templates that are defined elsewhere.
    """
    try:
        _Reader(tokens(text), version, ours(), others).read("the group")
    except TemplateError as error:
        yield error.offset, error.message


class _Reader:
    """Reads the actions of one template, and follows the type of each value."""

    def __init__(
        self, found: list[Token], version: str, known: dict[str, list[Token]], others: Sequence[str]
    ) -> None:
        self._tokens = found
        self._next = 0
        self._version = version
        self._known = known
        self._others = others
        self.defined: dict[str, list[Token]] = {}
        self._calls: dict[tuple[str, str], int] = {}
        self._variables: list[tuple[str, str]] = []
        # A variable that changes may be of any type.
        pairs = itertools.pairwise(found)
        self._changing = {one.text for one, after in pairs if one.kind == "variable" and after.text == "="}
        self._loops = 0

    def read(self, dot: str, *, calls: bool = True) -> None:
        """Read all of it, and the templates that it calls, each for what it is given. Raises TemplateError."""
        self._variables = [("$", dot)]
        self._block(dot)
        done: set[tuple[str, str]] = set()
        while calls and (pending := [call for call in self._calls if call not in done]):
            for name, given in pending:
                done.add((name, given))
                self._called(name, given, self._calls[name, given])

    def _called(self, name: str, given: str, offset: int) -> None:
        body = self.defined.get(name, self._known.get(name))
        if body is not None:
            inner = _Reader(body, self._version, {**self._known, **self.defined}, self._others)
            try:
                inner._variables = [("$", given)]
                inner._block(given)
            except TemplateError as error:
                reason = error.message.removeprefix("broken template: ")
                raise TemplateError(offset, f"template '{name}', given {given}: {reason}") from None
            self._calls = dict.fromkeys(inner._calls, offset) | self._calls
        elif name in TEMPLATES:
            self._refuse_newer(f"template '{name}'", name, offset)
            needed = TEMPLATES[name]
            # All alerts of the group are alerts.
            if needed != "nothing" and given not in ("any", needed, "the alerts" * (needed == "alerts")):
                raise TemplateError(offset, f"template '{name}' needs {needed}, it is given {given}")
        elif name not in self._others:
            names = [*self.defined, *sorted(self._known), *TEMPLATES, *self._others]
            near = did_you_mean(name, names)
            raise TemplateError(
                offset, f"no template '{name}'{near or f', expected one of {quoted_list(names)}'}"
            )

    def _refuse_newer(self, what: str, name: str, offset: int) -> None:
        """Raise TemplateError where Alertmanager does not have a part of the language yet."""
        if refusal := _gate(what, name).refusal(self._version):
            raise TemplateError(offset, refusal)

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _end(self, what: str) -> None:
        token = self._take()
        if token.kind != "end":
            raise TemplateError(token.offset, f"unexpected '{token.text}' in {what}")

    def _block(self, dot: str, stops: Sequence[str] = (), opened: int = 0) -> str:
        """Read actions up to one of the keywords ``stops``, which is returned without the rest of its action."""
        while self._next < len(self._tokens):
            token = self._peek()
            if token.kind != "word" or token.text not in _KEYWORDS:
                self._pipeline(dot, "end", declares=True)
                continue
            self._next += 1
            if token.text in stops:
                return token.text
            self._action(token, dot, top=not stops)
        if stops:
            raise TemplateError(opened, "no {{ end }} to it")
        return ""

    def _action(self, token: Token, dot: str, *, top: bool) -> None:
        match token.text:
            case "if" | "range" | "with":
                self._branches(token, dot)
            case "break" | "continue" if self._loops:
                self._end(token.text)
            case "template":
                self._calls.setdefault((self._name(), self._argument(dot)), token.offset)
            case "block":
                name, given = self._name(), self._argument(dot)
                self._define(name, token.offset)
                self._calls.setdefault((name, given), token.offset)
            case "define" if top:
                name = self._name()
                self._end("define")
                self._define(name, token.offset)
            case word:
                raise TemplateError(token.offset, f"unexpected {{{{ {word} }}}}")

    def _name(self) -> str:
        token = self._take()
        if token.kind != "text":
            raise TemplateError(token.offset, "expected the name of a template in quotes")
        return token.text[1:-1]

    def _argument(self, dot: str) -> str:
        if self._peek().kind == "end":
            self._next += 1
            return "nothing"
        return self._pipeline(dot, "end")

    def _define(self, name: str, opened: int) -> None:
        begin, outside, calls = self._next, self._variables, dict(self._calls)
        self._variables = [("$", "any")]
        self._block("any", ("end",), opened)
        self.defined[name] = self._tokens[begin : self._next - 1]
        self._end("end")
        self._variables, self._calls = outside, calls

    @contextmanager
    def _scope(self) -> Iterator[None]:
        outside = len(self._variables)
        yield
        del self._variables[outside:]

    def _branches(self, token: Token, dot: str) -> None:
        with self._scope():
            inner = self._pipeline(dot, "end", declares=True, loop=token.text == "range")
            if token.text == "range":
                number = _gate("", "range over a number").open(self._version)
                if inner not in (*ELEMENTS, "any") and not (inner == "number" and number):
                    raise TemplateError(token.offset, f"cannot range over {inner}")
                inner = ELEMENTS.get(inner, "any")
            self._loops += token.text == "range"
            with self._scope():
                stop = self._block(dot if token.text == "if" else inner, ("else", "end"), token.offset)
            self._loops -= token.text == "range"
            if stop == "end":
                self._end("end")
                return
            word = self._take()
            if word.text == token.text == "if" or word.text == token.text == "with":
                if word.text == "with":
                    self._refuse_newer("{{ else with }}", "{{ else with }}", word.offset)
                self._branches(word, dot)
                return
            self._next -= 1
            self._end("else")
            self._block(dot, ("end",), token.offset)
            self._end("end")

    def _pipeline(self, dot: str, closing: str, *, declares: bool = False, loop: bool = False) -> str:
        """Read up to and with the end of the action, or of the parentheses; return the type of its value."""
        names = self._declared(loop=loop) if declares else []
        result = self._command(dot, None)
        while (token := self._take()).text == "|":
            # Go takes a bar at the end.
            if self._peek().text not in (")", "}}"):
                result = self._command(dot, result)
        if closing not in (token.kind, token.text):
            raise TemplateError(token.offset, f"unexpected '{token.text}'")
        values = [result] if not loop else [ELEMENTS.get(result, "any")]
        if len(names) == 2:
            values = ["text" if result == "labels" else "number", *values]
        self._variables += [
            (name, "any" if name in self._changing else value)
            for name, value in zip(names, values, strict=False)
        ]
        return result

    def _declared(self, *, loop: bool) -> list[str]:
        """Read ``$a :=``, ``$a =``, or, of a loop, ``$a, $b :=``; return the names that are new."""
        ahead = [token.text for token in self._tokens[self._next : self._next + 4]]
        first = self._peek()
        if first.kind != "variable":
            return []
        if ahead[1] == ":=":
            self._next += 2
            return [first.text]
        if ahead[1] == "=":
            self._type_of(first)
            self._next += 2
        elif loop and ahead[1] == "," and ahead[3] == ":=" and ahead[2].startswith("$"):
            self._next += 4
            return [ahead[0], ahead[2]]
        return []

    def _type_of(self, variable: Token) -> str:
        known = dict(self._variables)
        if variable.text not in known:
            near = did_you_mean(variable.text, known)
            raise TemplateError(variable.offset, f"undefined variable '{variable.text}'{near}")
        return known[variable.text]

    def _command(self, dot: str, piped: str | None) -> str:
        """Read one command of a pipeline, whose last argument is what is ``piped`` into it."""
        first = self._peek()
        if first.kind == "end" or first.text in ("|", ")"):
            raise TemplateError(first.offset, "missing value before '}}', '|' or ')'")
        if first.kind == "word" and first.text not in ("true", "false", "nil"):
            if first.text in _KEYWORDS:
                raise TemplateError(first.offset, f"unexpected '{first.text}'")
            result, method = self._function(self._take()), None
        else:
            if piped is not None and (first.kind in ("text", "number", "dot") or first.kind == "word"):
                raise TemplateError(
                    first.offset, f"'{first.text}' cannot stand after '|', which needs a function"
                )
            result, method = self._operand(dot)
        arguments: list[tuple[str, int]] = []
        while (token := self._peek()).kind != "end" and token.text not in ("|", ")"):
            if token.near:
                raise TemplateError(token.offset, f"unexpected '{token.text}'")
            arguments.append((self._operand(dot, argument=True)[0], token.offset))
        if piped is not None:
            arguments.append((piped, first.offset))
        if first.kind == "word" and first.text in FUNCTIONS:
            return self._result(first, arguments)
        if arguments and method is None:
            raise TemplateError(first.offset, f"'{first.text}' is no function and takes no argument")
        if method not in (None, _ANY_NUMBER, len(arguments)):
            raise TemplateError(first.offset, f"expected {_count(method or 0)} for it, got {len(arguments)}")
        return result

    def _function(self, word: Token) -> str:
        if word.text not in FUNCTIONS:
            near = did_you_mean(word.text, FUNCTIONS)
            raise TemplateError(word.offset, f"no function '{word.text}'{near}")
        self._refuse_newer(f"'{word.text}' in a template", word.text, word.offset)
        return FUNCTIONS[word.text][0]

    def _result(self, word: Token, arguments: list[tuple[str, int]]) -> str:
        """Judge the arguments of a function, and return the type of what it makes of them."""
        result, *expected = FUNCTIONS[word.text]
        more = expected.pop().removesuffix("...") if expected and expected[-1].endswith("...") else None
        if len(arguments) < len(expected) or (more is None and len(arguments) > len(expected)):
            least = "at least " if more is not None else ""
            message = f"'{word.text}' needs {least}{_count(len(expected))}, got {len(arguments)}"
            raise TemplateError(word.offset, message)
        for index, (given, offset) in enumerate(arguments):
            wanted = expected[index] if index < len(expected) else more
            if "any" not in (given, wanted) and given != wanted:
                raise TemplateError(offset, f"'{word.text}' needs {wanted} here, got {given}")
        first = arguments[0][0] if arguments else "any"
        whole = first in _LANGUAGE["no_list"] or (word.text, first) == ("slice", "labels")
        if word.text in ("len", "slice") and whole:
            raise TemplateError(word.offset, f"'{word.text}' needs a text or a list, got {first}")
        if result == "element":
            return ELEMENTS.get(first, "any") if len(arguments) == 2 else "any"
        if result == "same":
            alike = word.text == "slice" or all(kind == first for kind, _ in arguments)
            return first if alike else "any"
        return result

    def _operand(self, dot: str, *, argument: bool = False) -> tuple[str, int | None]:
        """Read a value with its fields: its type, and, where it is a method that takes some, how many arguments."""
        token = self._take()
        match token.kind:
            case "text" | "number":
                return token.kind, None
            case "word" if token.text in ("true", "false", "nil"):
                return "boolean" if token.text != "nil" else "any", None
            case "word":
                result = self._function(token)
                return (self._result(token, []), None) if argument else (result, None)
            case "dot":
                return dot, None
            case "field":
                self._next -= 1
                return self._fields(dot, argument=argument)
            case "variable":
                return self._fields(self._type_of(token), argument=argument)
        if token.text == "(":
            return self._fields(self._pipeline(dot, ")"), argument=argument)
        raise TemplateError(token.offset, f"unexpected '{token.text}'")

    def _fields(self, kind: str, *, argument: bool) -> tuple[str, int | None]:
        """Read ``.A.B`` after a value of a kind."""
        takes: int | None = None
        begin = self._next
        while (token := self._peek()).kind == "field" and (token.near or self._next == begin):
            if takes and takes > 0:
                raise TemplateError(token.offset, f"a method before '{token.text}' needs {_count(takes)}")
            self._next += 1
            kind, takes = self._field(kind, token)
        if takes and takes > 0 and argument:
            raise TemplateError(
                self._tokens[self._next - 1].offset, f"it needs {_count(takes)}; put it in ( )"
            )
        return kind, takes

    def _field(self, kind: str, token: Token) -> tuple[str, int | None]:
        name = token.text[1:]
        if kind == "any":
            return "any", _ANY_NUMBER
        fields = FIELDS.get(kind, {})
        known = [field for field in fields if _gate("", f"{kind}.{field}").open(self._version)]
        if name in known:
            result, _, takes = fields[name].partition("/")
            return result, int(takes) if takes else None
        if kind == "labels":
            return "text", None
        if name in fields:
            self._refuse_newer(f"'.{name}' of {kind}", f"{kind}.{name}", token.offset)
        hint = f"; '$.{name}' is the group's" if name in FIELDS["the group"] and kind == "an alert" else ""
        listed = f", expected one of {quoted_list(sorted(known), 20)}" if known else ""
        raise TemplateError(
            token.offset, f"{kind} has no '.{name}'{listed}{hint or did_you_mean(name, known)}"
        )


def _gate(what: str, name: str) -> Gate:
    return Gate(what, "Alertmanager", _SINCE.get(name, OLDEST["Alertmanager"]))


def _count(number: int) -> str:
    return f"{number} {'argument' if number == 1 else 'arguments'}"
