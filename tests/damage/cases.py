"""A command, and the folder that it runs in: what one case of the fuzzer is, and how each kind is made."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from rulegen.alertmanager.merge import Base
from rulegen.generate import generate
from rulegen.validation import specs
from tests.damage.mutate import damaged, dump, text
from tests.damage.originals import ALONE, DATA, OWN, TEXTS
from tests.damage.pieces import SCALARS
from tests.support.paths import CONTRACT

Files = dict[str, bytes]


@dataclass(frozen=True)
class Case:
    """``arguments`` of a ``program``, run in a folder that has ``files``; no file may grow beyond ``limit`` bytes."""

    program: str
    arguments: tuple[str, ...]
    files: Mapping[str, bytes]
    damage: str
    limit: int | None = None

    @property
    def command(self) -> str:
        """A command, with the options that tell its kinds apart."""
        form = " operator" if "operator" in self.arguments else ""
        base = " --base" if "--base" in self.arguments else ""
        return f"{self.program} {self.arguments[0] if self.arguments else ''}{form}{base}"

    def __str__(self) -> str:
        return f"mlslo-{self.program} {' '.join(repr(part) for part in self.arguments)} ({self.damage})"


def specs_of(chance: Random, routing: str | None = None) -> tuple[Files, dict[str, Any]]:
    """Spec files that go together, and the data of each, a ModelSLO file cut down to a few of its SLOs."""
    kind = chance.random()
    if kind < 0.4:
        names = ["slo.yaml", "routing.yaml", "monitor.yaml"]
    elif kind < 0.6:
        names = ["full.slo.yaml", "full.routing.yaml", "full.monitor.yaml"]
    else:
        names = [
            chance.choice(ALONE),
            chance.choice(["routing.yaml", "routing.yaml", "operator.routing.yaml"]),
        ]
    if routing is not None:
        names[1] = routing
    data = {name: copy.deepcopy(DATA[name]) for name in names}
    if chance.random() < 0.2:
        return {name: TEXTS[name] for name in names}, data
    slos = data[names[0]]["spec"]["slos"]
    data[names[0]]["spec"]["slos"] = chance.sample(slos, min(len(slos), chance.choice([1, 1, 2, 3])))
    return {name: dump(data[name]) for name in names}, data


def _one_damaged(chance: Random, files: Files, data: dict[str, Any], weights: Mapping[str, int]) -> str:
    """Damage one of ``files``; returns its name. Scenarios and bases are their originals."""
    names = list(files)
    name = chance.choices(
        names, [next((w for end, w in weights.items() if one.endswith(end)), 0) for one in names]
    )[0]
    whole = name in TEXTS and files[name] == TEXTS[name]
    files[name] = damaged(chance, name, None if whole else data[name])
    return name


_ANY = {"slo.yaml": 5, "routing.yaml": 4, "monitor.yaml": 3}


def _generate(chance: Random, command: str = "generate", form: str | None = None) -> Case:
    files, data = specs_of(chance, chance.choice(["operator.routing.yaml", None]) if form else None)
    name = _one_damaged(chance, files, data, _ANY)
    arguments = [command, *files, "--out", "out", *(["--format", form] if form else [])]
    if chance.random() < 0.05:
        arguments.append("--strict")
    limit = None
    kind = chance.random()
    if kind < 0.15 or command == "check":
        files |= {f"out/{path}": text for path, text in _earlier(form or "prometheus").items()}
    elif kind < 0.2:
        files |= chance.choice(_IN_THE_WAY)
        limit = chance.choice([None, None, 0, 1000, 20_000])
    return Case("rulegen", tuple(arguments), files, name, limit)


def _check(chance: Random) -> Case:
    made = _generate(chance, "check", chance.choice([None, None, "operator"]))
    how = chance.choice([(), ("--diff", "words"), ("--diff", "unified")])
    return Case("rulegen", (*made.arguments, *how), made.files, made.damage)


def _operator(chance: Random) -> Case:
    return _generate(chance, form="operator")


def _based(chance: Random) -> Case:
    files, data = specs_of(chance)
    specs_named = tuple(files)
    files["base.yaml"], data["base.yaml"] = TEXTS["base.yaml"], DATA["base.yaml"]
    if chance.random() < 0.3:
        files["base.yaml"] = _earlier_base()
        data["base.yaml"] = None
    if data["base.yaml"] is None:
        name = "base.yaml"
        files[name] = text(chance, files[name])
    else:
        name = _one_damaged(chance, files, data, {"base.yaml": 10, "routing.yaml": 2})
    out = chance.choice([("--out", "out"), ("--out", ".")])
    form = chance.choice([(), (), ("--format", "operator")])
    return Case("rulegen", ("generate", *specs_named, *out, "--base", "base.yaml", *form), files, name)


def _simulate(chance: Random) -> Case:
    names = ("slo.yaml", "routing.yaml", "scenario.yaml")
    files = {name: TEXTS[name] for name in names}
    data = {name: DATA[name] for name in names}
    specs_named = names[:2]
    options: list[str] = []
    weights = {"scenario.yaml": 10, "routing.yaml": 2, "slo.yaml": 1}
    if chance.random() < 0.25:
        files["base.yaml"], data["base.yaml"] = TEXTS["base.yaml"], DATA["base.yaml"]
        options += ["--base", "base.yaml"]
        weights["base.yaml"] = 12
    if chance.random() < 0.3:
        options += ["--format", "json"]
    name = _one_damaged(chance, files, data, weights)
    return Case("rulegen", ("simulate", *specs_named, "--scenario", "scenario.yaml", *options), files, name)


def _silence(chance: Random) -> Case:
    files, data = specs_of(chance)
    specs_named = tuple(files)
    name = _one_damaged(chance, files, data, _ANY) if chance.random() < 0.4 else "arguments"
    options = {
        "--model": next(iter(data.values()))["spec"].get("model", "fraud"),
        "--for": "2h",
        "--comment": "retraining",
        "--author": "me",
    }
    if name == "arguments":
        for _ in range(chance.randint(1, 3)):
            option = chance.choice(
                ["--model", "--for", "--comment", "--author", "--layer", "--slo", "--tier"]
            )
            options[option] = str(chance.choice(SCALARS)).replace("\0", "")
        if chance.random() < 0.4:
            options["--alertmanager"] = chance.choice(
                [
                    "http://h:9",
                    "http://[",
                    "http://u:p@h",
                    "h",
                    "",
                    "ftp://h",
                    "http://h:x",
                    "http://h:99999",
                    "http://[::1",
                ]
            )
        if chance.random() < 0.3:
            options["--basic-auth-file"] = chance.choice(["secret", "none", "."])
            files["secret"] = chance.choice([b"", b"a", b"a:b\n", b"a:b\nc", b"\xff:", b":", "é:ö".encode()])
    given = tuple(part for pair in options.items() for part in pair)
    return Case("rulegen", ("silence", *specs_named, *given, "--dry-run"), files, name)


def _schema(chance: Random) -> Case:
    arguments = chance.choice(
        [
            ("schema",),
            ("schema", "--kind", str(chance.choice(SCALARS)).replace("\0", "")),
            ("schema", "--out", "out"),
            ("schema", "--out", "there"),
            ("schema", "--out", "there/below"),
        ]
    )
    return Case("rulegen", arguments, {"there": b""}, "arguments", chance.choice([None, 100]))


def _folder(chance: Random) -> Case:
    """A folder of specs with something beside them that is none, or that nobody can read."""
    files, data = specs_of(chance)
    name = _one_damaged(chance, files, data, _ANY)
    inside: Files = {f"specs/{path}": content for path, content in files.items()}
    inside |= chance.choice(
        [
            {},
            {"specs/values.yaml": b"a: 1\n"},
            {"specs/x.yaml": b"\xff\xfe"},
            {"specs/dir.yaml/slo.yaml": b""},
        ]
    )
    return Case("rulegen", ("generate", "specs", "--out", "out"), inside, f"specs/{name}")


def _exporter(chance: Random) -> Case:
    name = chance.choice(["monitor.yaml", "full.monitor.yaml"])
    data = copy.deepcopy(DATA[name])
    data["spec"]["references"].pop("training", None)
    files = {
        name: damaged(chance, name, data),
        "logs/predictions.jsonl": b'{"ts": 1760000000, "request_id": 1}\n',
    }
    return Case("exporter", ("check", name), files, name)


_KINDS: Mapping[Callable[[Random], Case], int] = {
    _generate: 46,
    _operator: 10,
    _based: 12,
    _check: 5,
    _simulate: 14,
    _silence: 4,
    _schema: 1,
    _folder: 3,
    _exporter: 5,
}

_IN_THE_WAY: list[Files] = [
    {"out": b"a file"},
    {"out/rules": b"a file"},
    {"out/rules/fraud.yaml/x": b"a folder"},
    {"out/rules/fraud.yaml": b"groups: []\n"},
    {"out/rules/fraud.yaml": b"\xff"},
    {"out/alertmanager/alertmanager.yaml": b"route: {receiver: a}\n"},
    {"out/rules/.fraud.yaml.1-0.new": b"", "out/rules/.a.new/x": b""},
    {},
]


def make(chance: Random) -> Case:
    """Some case."""
    return chance.choices(list(_KINDS), list(_KINDS.values()))[0](chance)


@cache
def _earlier(form: str) -> Files:
    """Return the files that the contract gave before it was damaged."""
    routing = "routing.yaml" if form == "prometheus" else "../crds/routing.yaml"
    loaded = specs.load([CONTRACT / "fraud.slo.yaml", CONTRACT / routing])
    made = generate(loaded, "operator" if form == "operator" else "prometheus")
    return {name: text.encode() for name, text in made.files.items()}


@cache
def _earlier_base() -> bytes:
    """An alertmanager.yaml that has our part already."""
    loaded = specs.load([CONTRACT / "fraud.slo.yaml", CONTRACT / "routing.yaml"])
    made = generate(loaded, "prometheus", Base.read(OWN / "alertmanager.yaml"))
    return made.files["alertmanager/alertmanager.yaml"].encode()
