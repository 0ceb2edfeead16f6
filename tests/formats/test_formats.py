"""The data set in every format: writers have the shape of the samples, and lose only what they say."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.formats import dataset, readers
from tests.formats.catalogue import FORMATS, requests_of
from tests.formats.dataset import singles
from tests.formats.own import write_plain
from tests.support.paths import ROOT

SAMPLES = Path(__file__).parent / "samples"
SAMPLED = sorted(path.stem for path in SAMPLES.glob("*.jsonl") if path.stem in set(FORMATS) - {"docker"})
DOCUMENTED = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/formats.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and line.count("|") == 9
][1:]


def sample(name: str) -> list[Any]:
    return readers.records((SAMPLES / f"{name}.jsonl").read_bytes())


def opened(value: Any) -> Any:
    """JSON in a text, else the value itself."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value, through texts that hold JSON; the positions of a list are one."""
    match opened(value):
        case dict() as entries:
            for key, inner in entries.items():
                yield from paths(inner, f"{path}.{key}")
        case list() as elements:
            for inner in elements or [None]:
                yield from paths(inner, f"{path}.*")
        case _:
            yield path


def test_the_data_set_has_something_of_everything() -> None:
    requests = dataset.requests()
    rows = [row for request in requests for row in request.rows]
    assert len(rows) == dataset.ROWS
    assert {len(request.rows) for request in requests} == {1, 2, 3, 4, 5}
    assert {request.version for request in requests} == {"v1", "v2"}
    assert 0.75 < sum(row.label is not None for row in rows) / len(rows) < 0.85
    assert 10 < sum(request.failed for request in requests) < 60
    assert all(len(request.rows) == 1 for request in requests if request.failed)
    assert any(row.features["balance"] is None for row in rows)
    assert all(dataset.START <= request.at < dataset.END for request in requests)
    ids = [name for _, name, _ in singles(requests)]
    assert len(set(ids)) == len(ids)
    assert {record["id"] for record in readers.records(dataset.labels(requests))} <= set(ids)


@pytest.mark.parametrize("name", SAMPLED)
def test_a_writer_has_the_shape_of_its_sample(name: str) -> None:
    format_ = FORMATS[name]
    written = readers.records(format_.write(requests_of(format_)))
    assert {path for record in written for path in paths(record)} <= {
        path for record in sample(name) for path in paths(record)
    }


@pytest.mark.parametrize("row", DOCUMENTED, ids=[row[0] for row in DOCUMENTED])
def test_documented_paths_are_in_the_sample(row: list[str]) -> None:
    name, *cells = row
    for path in re.findall("`([^`]+)`", " ".join(cells)):
        found = [value for record in sample(name) for value in walk(record, path.split("."))]
        assert any(value is not None for value in found), f"nothing at {path}"


def walk(value: Any, parts: list[str]) -> Iterator[Any]:
    """Yield what is at a path, through texts that hold JSON and through the elements of lists."""
    value = opened(value) if parts else value
    if not parts:
        yield value
    elif isinstance(value, list):
        inner = value[int(parts[0]) :][:1] if parts[0].isdigit() else value
        for element in inner:
            yield from walk(element, parts[1:] if parts[0].isdigit() else parts)
    elif isinstance(value, dict) and parts[0] in value:
        yield from walk(value[parts[0]], parts[1:])


def test_every_sample_is_documented() -> None:
    named = set(
        re.findall(r"`([\w.-]+\.(?:jsonl|log))`", (SAMPLES / "README.md").read_text(encoding="utf-8"))
    )
    assert named == {path.name for path in SAMPLES.iterdir()} - {"README.md"}
    assert {row[0] for row in DOCUMENTED} >= set(SAMPLED)


UNWRAPPED = {
    "docker": readers.unwrapped_docker,
    "cri": readers.unwrapped_cri,
    "prefix": readers.unwrapped_prefix,
    "gzip": gzip.decompress,
    "zstd": readers.unwrapped_zstd,
}


@pytest.mark.parametrize("name", UNWRAPPED)
def test_a_wrapping_holds_the_plain_log(name: str) -> None:
    assert UNWRAPPED[name](FORMATS[name].write(dataset.requests())) == write_plain(dataset.requests())


EVENTS = [name for name in FORMATS if name.startswith(("kserve", "seldon"))]
BOTH = ["positional", "predict-proba", "batches", "json-text", "named-tensors", "tensor-matrix"]
BOTH += [name for name in FORMATS if name.startswith(("sagemaker", "bentoml", "vertex", "databricks"))]


@pytest.mark.parametrize("name", [*EVENTS, *BOTH])
def test_a_format_holds_every_prediction_that_was_answered(name: str) -> None:
    content = FORMATS[name].write(dataset.requests())
    read = readers.of_events(name, content) if name in EVENTS else readers.of_records(name, content)
    carried = FORMATS[name].carried([request for request in dataset.requests() if not request.failed])
    expected = [
        readers.as_text(dataset.iso(request.at), row.features, row.score)
        for request, _, row in singles(carried)
    ]
    assert Counter(readers.as_text(*row) for row in read) == Counter(expected)


def test_a_format_of_events_has_some_out_of_order_and_some_without_a_response() -> None:
    events = readers.records(FORMATS["kserve-v1"].write(dataset.requests()))
    kinds = [(event["id"], event["type"].rsplit(".", 1)[1]) for event in events]
    before = {
        name for i, (name, kind) in enumerate(kinds) if kind == "response" and (name, "request") in kinds[i:]
    }
    alone = {name for name, kind in kinds if kind == "request"} - {
        name for name, kind in kinds if kind == "response"
    }
    assert before
    assert alone == {request.id for request in dataset.requests() if request.failed}


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_table_holds_every_prediction(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"log.{name}"
    path.write_bytes(FORMATS[name].write(dataset.requests()))
    reader = f"read_{name}('{path}'{', all_varchar = true' if name == 'csv' else ''})"
    query = f"SELECT id::VARCHAR, score::DOUBLE, age::BIGINT, balance::DOUBLE, region FROM {reader}"
    assert duckdb.execute(query).fetchall() == [
        (name, row.score, row.features["age"], row.features["balance"], row.features["region"])
        for _, name, row in singles(dataset.requests())
    ]


def test_logfmt_quotes_what_it_must() -> None:
    first = FORMATS["logfmt"].write(dataset.requests()).decode().splitlines()
    assert any('region="north, old"' in line for line in first)
    assert any("region=south" in line for line in first)
    assert not any("None" in line for line in first)


@pytest.mark.parametrize("name", ["openai", "litellm"])
def test_chats_hold_every_answer(name: str) -> None:
    chats = dataset.chats()
    read = [
        record["response"].get("usage", {}).get("prompt_tokens")
        for record in readers.records(FORMATS[name].write(chats))
    ]
    assert read == [chat.rows[0].features.get("prompt_tokens") for chat in chats]
    assert None in read
