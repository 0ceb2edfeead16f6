"""Receivers of an AlertRouting file, judged as Alertmanager judges them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlslo.yamlfile import Document, Location, Problem, did_you_mean, quoted_list, shown
from rulegen.promql.versions import Gate
from rulegen.spec import templates
from rulegen.spec.integrations import INTEGRATIONS, Form, Keys
from rulegen.spec.lint_names import named


def problems(
    document: Document, at: Location, receiver: Mapping[str, Any], version: str, templates: Sequence[str] = ()
) -> Iterator[Problem]:
    """Find what is wrong with the receiver at ``at`` of ``document``, for Alertmanager ``version``.

    Unknown integrations and keys, missing keys, any secret that is written out instead of being kept in a file, and
    values and templates that Alertmanager does not read. ``templates``: names that are defined elsewhere.
    """
    if not receiver:
        expected = f"expected at least one of {quoted_list(INTEGRATIONS, 20)}"
        message = f"{expected}; without one the receiver tells nobody"
        yield document.problem(at, named(message, "receiver-without-integration"), key=True)
    check = _Check(document, version, templates)
    for name, configs in receiver.items():
        place = (*at, name)
        keys = INTEGRATIONS.get(name)
        if keys is None:
            # All end in the same word, which makes none of them near.
            near = did_you_mean(
                name.removesuffix("_configs"), {key.removesuffix("_configs") for key in INTEGRATIONS}
            )
            message = f"unknown integration '{name}', expected one of {quoted_list(INTEGRATIONS, 20)}"
            yield document.problem(place, message + near.replace("'?", "_configs'?"), key=True)
        elif refusal := keys.gate().refusal(version):
            yield document.problem(place, refusal, key=True)
        elif configs == []:
            yield document.problem(place, f"expected a list of mappings under {name}")
        else:
            yield from check.mappings(place, configs, keys, "list of")


@dataclass(frozen=True)
class _Check:
    """Judges the mappings of a receiver."""

    document: Document
    version: str
    templates: Sequence[str]

    def mappings(self, at: Location, value: Any, keys: Keys, form: Form) -> Iterator[Problem]:
        """Judge what stands under a key whose mappings have known keys."""
        entries: Mapping[Location, Any] = {at: value}
        if form == "text or" and isinstance(value, str):
            yield from self._texts(at, value)
            return
        if form == "list of" and isinstance(value, list):
            entries = {(*at, index): entry for index, entry in enumerate(value)}
        elif form == "by name" and isinstance(value, dict):
            entries = {(*at, key): entry for key, entry in value.items()}
        elif form in ("list of", "by name"):
            expected = "a list of mappings" if form == "list of" else "a mapping of mappings"
            yield self.document.problem(at, f"expected {expected} under {keys.name}")
            return
        for place, entry in entries.items():
            if isinstance(entry, dict):
                yield from self._mapping(place, entry, keys)
            else:
                message = f"expected a mapping in {keys.name}, with {quoted_list(keys.keys, 30)}"
                yield self.document.problem(place, message)

    def _mapping(self, at: Location, mapping: Mapping[str, Any], keys: Keys) -> Iterator[Problem]:
        for key, value in mapping.items():
            place, known = (*at, key), keys.keys.get(key)
            if key in keys.secrets:
                message = named(self._secret(key, keys), "literal-secret")
                yield self.document.problem(place, message, key=True)
            elif known is None:
                expected = f"expected one of {quoted_list(keys.keys, 40)}{did_you_mean(key, keys.keys)}"
                yield self.document.problem(
                    place, f"unknown key '{key}' in {keys.name}, {expected}", key=True
                )
            elif value is None:
                hint = '; text that begins with # needs quotes: "#channel"' if key == "channel" else ""
                yield self.document.problem(place, f"expected a value for '{key}', got nothing{hint}")
            elif refusal := keys.gate(key).refusal(self.version):
                yield self.document.problem(place, refusal, key=True)
            elif known.inner is not None:
                yield from self.mappings(place, value, known.inner, known.form)
            elif not known.kind.fits(value):
                message = f"expected {known.kind.expected} for '{key}', got {shown(value)}"
                yield self.document.problem(place, message)
            elif isinstance(value, str) and _carries_password(value):
                instead = "use http_config.basic_auth with 'password_file'"
                message = f"a literal secret: the URL in '{key}' holds a password; {instead}"
                yield self.document.problem(place, named(message, "literal-secret"))
            elif known.is_template(self.version):
                yield from self._texts(place, value)
        for message in self._choices(mapping, keys):
            yield self.document.problem(at, message)

    def _choices(self, mapping: Mapping[str, Any], keys: Keys) -> Iterator[str]:
        """Name the keys that are missing, and those that exclude each other."""
        for choice in keys.needs:
            # A secret that is written out is reported as such, not as a missing file.
            written = [key for key, file in keys.secrets.items() if file in choice]
            if not any(_has(mapping, key) for key in (*choice, *written)):
                late = self._late(keys.gate(choice[0])) if len(choice) == 1 else ""
                yield f"missing key {_either(choice)} in {keys.name}{late}"
        for choice in keys.at_most:
            found = [key for key in choice if _has(mapping, key)]
            if len(found) > 1:
                yield f"expected at most one of {_either(choice)} in {keys.name}, got {' and '.join(found)}"
        for key, choice in keys.along.items():
            if _has(mapping, key) and not any(_has(mapping, other) for other in choice):
                yield f"'{key}' in {keys.name} needs {_either(choice)} beside it"

    def _texts(self, at: Location, value: Any) -> Iterator[Problem]:
        """Judge the templates in a value: a text, or texts in lists and mappings."""
        if isinstance(value, dict | list):
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in entries:
                yield from self._texts((*at, key), inner)
        elif isinstance(value, str) and "{{" in value:
            for offset, message in templates.mistakes(value, self.version, self.templates):
                yield self.document.problem_within(at, offset, message)

    def _secret(self, key: str, keys: Keys) -> str:
        refused = f"a literal secret: '{key}' in {keys.name} would be readable by all who read this file"
        file = keys.secrets[key]
        if file is not None:
            return f"{refused}; use '{file}', the path of a file that holds it{self._late(keys.gate(file))}"
        if keys.name == "sigv4":
            return f"{refused}; use 'profile' or 'role_arn'"
        return f"{refused}, and Alertmanager has no key that names a file instead"

    def _late(self, gate: Gate) -> str:
        if gate.open(self.version):
            return ""
        return f" (needs Alertmanager {gate.since}, target.alertmanager is {self.version})"


def _has(mapping: Mapping[str, Any], key: str) -> bool:
    """Return whether a key is given; one inside of another, as ``outer.inner``."""
    first, _, rest = key.partition(".")
    value = mapping.get(first, "")
    return _has(value, rest) if rest and isinstance(value, dict) else value not in ("", False) and not rest


def _carries_password(url: str) -> bool:
    try:
        return url.startswith(("http://", "https://")) and urlsplit(url).password is not None
    except ValueError:
        return False


def _either(choice: Sequence[str]) -> str:
    return " or ".join(f"'{key}'" for key in choice)
