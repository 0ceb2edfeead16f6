"""The JSON Schemas that editors use: they accept what the loader accepts, and refuse what a schema can see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from mlslo import monitor
from mlslo.yamlfile import Document, InputError, read
from rulegen.cli import main
from rulegen.commands import json_schemas
from rulegen.spec import model_slo, routing
from rulegen.spec.integrations import receiver_definitions
from tests.rulegen.spec.test_routing import MISTAKES as OF_ROUTING
from tests.support.paths import TESTS, ZOO

CONTRACT = TESTS / "contract"
VALID = [
    *sorted(CONTRACT.glob("*.yaml")),
    *(path for path in sorted((TESTS.parent / "examples").rglob("*.yaml")) if path.name != "workflow.yaml"),
    *(ZOO / name for name in ("conditions.yaml", "conditions_events.yaml", "conditions_past.yaml")),
    ZOO / "conditions_queries.yaml",
]
LOADERS = {
    "ModelSLO": model_slo.from_document,
    "AlertRouting": routing.from_document,
    "ModelMonitor": monitor.from_document,
}
# What these say depends on two values at once, on names in the same file, or on the version in use.
BEYOND_A_SCHEMA = (
    "standard input",
    "exemplars need",
    "the push path of",
    "is none of classes",
    "is none of the names in",
    "the same as 'request'",
    "where 'join' puts records",
    "beyondNoise goes with a limit",
    "change on other days each year",
    "is no metric",
    "is not measured by segment",
    "is about the exporter itself",
    "expected two versions",
    "can never be",
    "below the long one",
    "is shorter than groupInterval",
    "is not defined under",
    "is already muted",
    "is given twice",
    "among its own targets",
    "stands for all labels",
    "needs Alertmanager",
    "overlap",
    "the last is 24:00",
    "leave `times` out",
    "crosses midnight",
    "expected a time zone",
    "is no part of a time",
    "expected a format with year",
    "is the name of an alert that is generated",
    "is set by the generator",
    "is generated",
    "is taken",
    "holds a password",
    "or newer",
    "are the same length",
    "ascending bounds",
    "expected a range",
    "feature has no range",
    "an offset is for sliding",
    "joined to predictions by it",
    "to be compared with",
    "is where the features are",
    "expected a dotted path",
    "is listed twice",
    "expected a reason",
    "printable text",
    "duplicate key",
    "more than",
)


@pytest.fixture(scope="module")
def printed() -> dict[str, jsonschema.Draft7Validator]:
    """A validator of each schema, as the command prints it."""
    found = {}
    for name in (*json_schemas.KINDS, json_schemas.ANY):
        result = CliRunner().invoke(main, ["schema", "--kind", name])
        assert result.exit_code == 0
        data = json.loads(result.stdout)
        jsonschema.Draft7Validator.check_schema(data)
        found[name] = jsonschema.Draft7Validator(data)
    return found


def refused(validator: jsonschema.Draft7Validator, data: Any) -> bool:
    return next(validator.iter_errors(data), None) is not None


@pytest.mark.parametrize("path", VALID, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_valid_is_accepted(path: Path, printed: dict[str, jsonschema.Draft7Validator]) -> None:
    data = read(path).data
    for name in (data["kind"], json_schemas.ANY):
        printed[name].validate(data)
    for other in set(json_schemas.KINDS) - {data["kind"]}:
        assert refused(printed[other], data)


def test_the_files_are_those_that_are_printed(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["schema", "--out", str(tmp_path)])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, len(json_schemas.KINDS) + 1)
    for path in tmp_path.iterdir():
        assert path.read_text() == CliRunner().invoke(main, ["schema", "--kind", path.stem]).stdout
        assert path.read_text() == (TESTS.parent / "docs" / "schemas" / path.name).read_text()


def test_every_key_says_what_it_is() -> None:
    """An editor shows it while one types; only a receiver's keys are Alertmanager's own."""
    own: dict[str, Any] = json_schemas.schema(json_schemas.ANY)["$defs"]
    foreign = set(receiver_definitions())
    silent = [
        f"{name}.{key}"
        for name, one in own.items()
        if name not in foreign
        for key, value in one["properties"].items()
        # What a key refers to may say it.
        if not (value.get("description") or own[value["$ref"].rpartition("/")[2]].get("description"))
    ]
    assert len(own) > 40
    assert silent == []


def mistakes() -> Iterator[tuple[str, str]]:
    """File of the contract, its text with one mistake."""
    for name in ("bad_specs", "bad_files"):
        for one in yaml.safe_load((TESTS / "rulegen" / "validation" / f"test_{name}.yaml").read_text()):
            file = one.get("file", "fraud.slo.yaml")
            yield one["said"], changed(file, one["replace"], one["by"])
    for old, new, said in OF_ROUTING:
        yield said, changed("routing.yaml", old, new)


def changed(file: str, old: str, new: str) -> str:
    return (CONTRACT / file).read_text().replace(old, new.replace("§", ""), 1)


def loaded(path: Path) -> Document | None:
    """None where it is no YAML of ours."""
    try:
        return read(path)
    except InputError:
        return None


@pytest.mark.parametrize(("said", "text"), list(mistakes()), ids=lambda text: text[:40])
def test_a_mistake_that_a_schema_can_see_is_refused(
    said: str, text: str, tmp_path: Path, printed: dict[str, jsonschema.Draft7Validator]
) -> None:
    path = tmp_path / "model_slo.yaml"
    path.write_text(text)
    document = loaded(path)
    if document is None:
        return
    try:
        LOADERS.get(document.data["kind"], model_slo.from_document)(document)
    except InputError:
        seen = refused(printed[json_schemas.ANY], document.data)
        assert seen or any(beyond in said for beyond in BEYOND_A_SCHEMA), said
