"""Ways to damage a spec: its structure, and its text."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from exporter.yamlfile import read

CONTRACT = Path(__file__).parent / "contract"
NAMES = ("fraud.slo.yaml", "routing.yaml", "fraud.monitor.yaml")
DATA: dict[str, Any] = {name: read(CONTRACT / name).data for name in NAMES}
TEXTS: dict[str, bytes] = {name: (CONTRACT / name).read_bytes() for name in NAMES}

Place = tuple[str | int, ...]

SCALARS: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    10**30,
    -(10**30),
    0.5,
    1.5,
    -0.25,
    1e-300,
    1e300,
    "",
    " ",
    "x",
    "é\u0000",
    "\u202e",
    "a\nb",
    "\t",
    "1h",
    "0s",
    "1ms",
    "100y",
    "1h30m",
    "no",
    "1:30",
    "P1",
    "P0",
    "P9",
    "model",
    "feature",
    "ml_model_auc_roc",
    "ml_feature_psi",
    "ml_prediction_latency_seconds",
    "{{.window}}",
    "{{ $value }}",
    "sum(rate(a[{{.window}}]))",
    "vector(1)",
    "a" * 300,
    "ModelSLO",
    "AlertRouting",
    "service",
    "data",
    "training",
    "recent",
    "oncall",
    "office-hours",
    "monday:friday",
    "22:00-02:00",
    "31:1",
    "Europe/Berlin",
    "http://u:p@h/",
    "http://[",
    "references/../../x.json",
]
PIECES: list[Any] = [
    *SCALARS,
    [],
    {},
    [[]],
    [None],
    [1, 1],
    {"above": 1},
    {"all": [{"above": 0.5}, {"below": 0.3}]},
    {"errors": {}},
    {"gauge": {"metric": "ml_feature_psi"}},
    {"promql": {"query": "up"}},
    {"promql": {"query": "sum(up) by (x"}},
    {"latency": {"below": "250ms"}},
    {"changeFrom": {"offset": "1d", "by": 1e-9}},
    {"dropFrom": {"window": "5m", "byRatio": 0.99}},
    {"any": [{"atMost": 0}, {"aboveReference": {"byFactor": 2}}]},
    {"forecast": {"within": "4h", "from": "6h", "below": 0.5}},
    {"adaptive": {"window": "7d", "deviations": 3}},
    {"series": {"atLeast": 3}, "above": 0.1},
    [{"lint": "never-fires", "reason": "none"}],
    {"predictionsPerSecond": 1e-9},
    {"weekdays": ["sunday"]},
    {"webhook_configs": [{"url": "http://h/"}]},
    {"slack_configs": [{"api_url": "x"}]},
    {"tier": "P1", "after": "5m"},
    {"P1": ["oncall"]},
]
KEYS = [
    "for",
    "accept",
    "expected",
    "retention",
    "breaches",
    "keepFiringFor",
    "series",
    "good",
    "objective",
    "timeWindow",
    "alerting",
    "windows",
    "labels",
    "x",
    "",
    "é",
    "<<",
    "null",
    "0",
    "a b",
    "__proto__",
    "defaultReceiver",
    "companions",
    "replicas",
    "forecast",
    "adaptive",
]
TOKENS = [
    b"\t",
    b"\r\n",
    b"\r",
    b"\x00",
    b"\xff\xfe",
    b"\xc3",
    b"\xef\xbb\xbf",
    "\u2028".encode(),
    "🙂".encode(),
    b"&a ",
    b"*a",
    b"<<: *a",
    b"&a [*a]",
    b"!!python/object:os.system ",
    b"!x ",
    b"!!binary ",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b": ",
    b"- ",
    b"? ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"|",
    b">",
    b"'",
    b'"',
    b"#",
    b"\n",
    b"    ",
    b"[" * 70,
    b"{a: " * 70,
    b"1" * 400,
    b"9" * 39,
    b"1e400",
    b".inf",
    b".nan",
    b"0x10",
    b"0o7",
    b"1_000",
    b"~",
    b"null",
    b"=",
    b"@",
    b"`",
    b"&a [x,x,x]\n    y: &b [*a,*a,*a]\n    z: [*b,*b,*b]\n",
]


def places(data: Any, at: Place = ()) -> list[Place]:
    """Every place below the top of a document."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in items for found in ((*at, key), *places(value, (*at, key)))]


PLACES = {name: places(data) for name, data in DATA.items()}


def _at(data: Any, place: Place) -> Any:
    for step in place:
        data = data[step]
    return data


@st.composite
def structure(draw: st.DrawFn, name: str) -> bytes:
    """A file of the contract with a few values replaced, removed, renamed, nested, or copied from elsewhere."""
    spec = copy.deepcopy(DATA[name])
    for _ in range(draw(st.integers(1, 3))):
        place: Any = draw(st.sampled_from(PLACES[name]))
        *parents, key = place
        try:
            holder = _at(spec, tuple(parents))
            old = holder[key]
        except (KeyError, IndexError, TypeError):
            continue
        if not isinstance(holder, dict | list):
            continue
        action = draw(
            st.sampled_from(["replace", "remove", "copy", "rename", "add", "twice", "deep", "retype"])
        )
        if action == "replace":
            holder[key] = draw(st.sampled_from(PIECES))
        elif action == "remove":
            del holder[key]
        elif action == "copy":
            source = draw(st.sampled_from(NAMES))
            holder[key] = copy.deepcopy(_at(DATA[source], draw(st.sampled_from(PLACES[source]))))
        elif action == "rename" and isinstance(holder, dict):
            holder[draw(st.sampled_from([*KEYS, str(key)[:-1], f"{key}s"]))] = holder.pop(key)
        elif action == "add" and isinstance(old, dict):
            old[draw(st.sampled_from(KEYS))] = draw(st.sampled_from(PIECES))
        elif action == "twice" and isinstance(old, list):
            old.extend(copy.deepcopy(old))
        elif action == "deep":
            for _ in range(draw(st.sampled_from([1, 5, 70]))):
                old = (
                    draw(st.sampled_from([[old], {"all": [old, old]}, {"x": old}])) if _small(old) else [old]
                )
            holder[key] = old
        elif action == "retype":
            holder[key] = str(old) if not isinstance(old, str) else [old]
    return yaml.safe_dump(spec, allow_unicode=True, sort_keys=False).encode(errors="replace")


def _small(data: Any) -> bool:
    return len(repr(data)) < 2000


@st.composite
def text(draw: st.DrawFn, name: str) -> bytes:
    """A file of the contract with a few bytes changed."""
    content = TEXTS[name]
    for _ in range(draw(st.integers(1, 4))):
        lines = content.split(b"\n")
        here, there = (draw(st.integers(0, max(len(content), 1))) for _ in range(2))
        line = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["insert", "cut", "delete", "line", "repeat", "indent", "flip", "swap"])):
            case "insert":
                content = content[:here] + draw(st.sampled_from(TOKENS)) + content[here:]
            case "cut":
                content = content[:here]
            case "delete":
                start, end = min(here, there), min(max(here, there), min(here, there) + 30)
                content = content[:start] + content[end:]
            case "line":
                content = b"\n".join([*lines[:line], *lines[line + 1 :]])
            case "repeat":
                content = b"\n".join([*lines[:line], lines[line], *lines[line:]])
            case "indent":
                content = b"\n".join([*lines[:line], b"  " + lines[line], *lines[line + 1 :]])
            case "flip" if content:
                byte = draw(st.integers(0, 255))
                content = content[: here - 1] + bytes([byte]) + content[here:] if here else content
            case _:
                other = draw(st.integers(0, len(lines) - 1))
                lines[line], lines[other] = lines[other], lines[line]
                content = b"\n".join(lines)
    return content


@st.composite
def specs(draw: st.DrawFn) -> dict[str, bytes]:
    """The contract's files, one of them damaged."""
    name = draw(st.sampled_from(NAMES))
    damaged = draw(st.one_of(structure(name), text(name)))
    return {**TEXTS, name: damaged}
