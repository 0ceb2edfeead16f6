"""Every kind of feature reads JSON as a plain reading of it in Python does."""

from __future__ import annotations

import json
import math
import unicodedata
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.features import KINDS, characters
from exporter.features.binning import Binning, EmbeddingBinning
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Parser
from exporter.summary.categorical import MISSING, UNSEEN

ABSENT = object()


def decode(kind_name: str, values: list[Any], binnings: dict[str, Binning] | None = None) -> dict[str, Any]:
    kind = KINDS[kind_name]

    def request(paths: FieldPaths) -> dict[str, str]:
        return kind.expressions(paths.member(None, "value", kind.parsed_as), {})

    parser = Parser(request)
    lines = "".join(json.dumps({} if value is ABSENT else {"value": value}) + "\n" for value in values)
    raw, _ = parser.select(lines.encode())
    parser.close()
    return kind.decode(raw, kind.binnings if binnings is None else binnings)


def class_of(character: str) -> str:
    found = unicodedata.category(character)[0]
    if found in "LM":
        return "letters"
    if found == "N":
        return "digits"
    if found == "Z" or character.isspace():
        return "whitespace"
    return "punctuation" if found in "PS" else "other"


def tokens_of(text: str) -> list[str]:
    def small(character: str) -> str:
        lower = character.lower()
        return lower if len(lower) == 1 else character

    words = "".join(
        small(character) if class_of(character) in ("letters", "digits") else " " for character in text
    )
    return words.split()[:256]


def slot_of(token: str) -> int:
    mask = (1 << 64) - 1
    value = sum(ord(character) * pow(0x9E3779B97F4A7C15, i, 1 << 64) for i, character in enumerate(token))
    value &= mask
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & mask
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & mask
    return (value ^ (value >> 31)) % 1024


TEXTS = [
    "Hello, World 42!",
    "",
    " ",
    None,
    "Füße  STRASSE\tİstanbul",
    "日本語 テスト",
    "हिन्दी भाषा",
    "emoji 😀\u200d x\u0000y",
    "ÀÉÎ ΣΊΣΥΦΟΣ",
    "\u00a0\u2003 مرحبا",
    "a" * 20_000,
    " ".join(map(str, range(400))),
]


def test_text_of_any_language() -> None:
    found = decode("text", [*TEXTS, ABSENT, 5])
    texts = [*TEXTS, None, "5"]
    lengths = [math.nan if text is None else len(text) for text in texts]
    assert found["length"].values.tolist() == pytest.approx(lengths, nan_ok=True)
    assert found["vocabulary"].missing.tolist() == [text is None for text in texts]
    looked_at = ["" if text is None else text[:16_384] for text in texts]
    assert found["vocabulary"].numbers.tolist() == [len(tokens_of(text)) for text in looked_at]
    assert found["vocabulary"].slots.tolist() == [
        slot_of(token) for text in looked_at for token in tokens_of(text)
    ]
    for text, mix in zip(texts, found["characters"], strict=True):
        if text is None:
            assert np.isnan(mix).all()
            continue
        classes = [class_of(character) for character in text[:16_384]] or ["empty"]
        assert mix.tolist() == [classes.count(name) for name in characters.CLASSES]


@settings(max_examples=60, deadline=None)
@example(["\u2160"])
@example(["\U000e0100", "葛\U000e0101城 0\U000e01ef\U000e0001"])
@given(st.lists(st.text(max_size=30), max_size=8))
def test_characters_of_anything(texts: list[str]) -> None:
    found = characters.classify(texts, np.array([len(text) for text in texts], dtype=np.intp))
    assert found.tokens.tolist() == [len(tokens_of(text)) for text in texts]
    assert found.slots.tolist() == [slot_of(token) for text in texts for token in tokens_of(text)]
    for text, mix in zip(texts, found.mix, strict=True):
        classes = [class_of(character) for character in text] or ["empty"]
        assert mix.tolist() == [classes.count(name) for name in characters.CLASSES]


@pytest.mark.slow
def test_texts_are_looked_at_in_blocks() -> None:
    texts = [f"row {i} " + "word " * (i % 700) for i in range(1500)]
    found = decode("text", texts)
    assert found["vocabulary"].numbers.tolist() == [len(tokens_of(text)) for text in texts]
    assert found["vocabulary"].slots.tolist() == [
        slot_of(token) for text in texts for token in tokens_of(text)
    ]


def test_booleans_however_written() -> None:
    values = [True, "TRUE", "yes", 1, "1", 1.0, False, "No", 0, "0", "maybe", 2, "", None, ABSENT]
    expected = [1] * 6 + [0] * 4 + [UNSEEN] * 3 + [MISSING] * 2
    assert decode("boolean", values)["value"].tolist() == expected


MOMENTS = [
    "2026-01-10T00:00:00Z",
    "2024-02-29T23:59:59.5+00:00",
    "1969-12-31T23:00:00Z",
    "2026-01-11T01:30:00+02:00",
    "1600-01-01T12:00:00Z",
]


def test_timestamps_against_datetime() -> None:
    found = decode("timestamp", [*MOMENTS, 1_768_003_200, 1_768_003_200_000, "soon", True, None, ABSENT])
    moments = [datetime.fromisoformat(text) for text in MOMENTS]
    moments += [datetime.fromtimestamp(1_768_003_200, UTC)] * 2
    expected = [moment.timestamp() for moment in moments] + [math.nan] * 4
    assert found["value"].values.tolist() == pytest.approx(expected, nan_ok=True, abs=1e-6)
    assert found["value"].invalid.tolist() == [False] * 7 + [True, True, False, False]
    in_utc = [moment.astimezone(UTC) for moment in moments]
    assert found["hour"].tolist() == [moment.hour for moment in in_utc] + [MISSING] * 4
    assert found["weekday"].tolist() == [moment.weekday() for moment in in_utc] + [MISSING] * 4


def test_vectors() -> None:
    binnings = {**KINDS["embedding"].binnings, "vector": EmbeddingBinning(2)}
    good: list[list[float]] = [[3, 4], [0, 0], [1e99, 0], [-1.5, 2]]
    bad: list[Any] = [[1, 2, 3], [1], [], [1, None], ["a", 1], [1e101, 0], [1e308, 1e308]]
    found = decode("embedding", [*good, *bad, None, ABSENT], binnings)
    assert found["norm"].values[:4].tolist() == pytest.approx([math.hypot(*vector) for vector in good])
    assert np.isnan(found["norm"].values[4:]).all()
    assert found["norm"].invalid.tolist() == [False] * 4 + [True] * 7 + [False] * 2
    assert found["vector"].usable.tolist() == good
    assert found["vector"].missing.tolist() == [False] * 11 + [True] * 2
    assert found["vector"].invalid.tolist() == found["norm"].invalid.tolist()


def test_vectors_without_a_reference_have_a_norm_each() -> None:
    found = decode("embedding", [[3, 4], [1, 2, 2], None])
    assert list(found) == ["norm"]
    assert found["norm"].values.tolist() == pytest.approx([5, 3, math.nan], nan_ok=True)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_and_all_null(kind: str) -> None:
    for values in ([], [None], [None, ABSENT] * 3):
        found = decode(kind, values)
        for view, binning in KINDS[kind].binnings.items():
            prepared = binning.prepare(found[view])
            stack: Any = binning.fold(prepared, np.zeros(len(values), dtype=np.intp), 1)
            assert stack[0].missing == len(values)
            assert stack[0].rows == len(values)
