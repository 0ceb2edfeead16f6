"""JSON Schemas of the files that users write, from the models that validate them: for editors."""

import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mlslo.actions import ActionsFile
from mlslo.monitor import MonitorFile
from rulegen.simulation.scenario import ScenarioFile
from rulegen.spec.integrations import receiver_definitions
from rulegen.spec.model_slo import ModelSloFile
from rulegen.spec.routing import RoutingFile

# Editors know this one best; nothing here needs a later one.
DIALECT = "http://json-schema.org/draft-07/schema#"
ANY = "mlslo"

_FILES: tuple[type[BaseModel], ...] = (ModelSloFile, RoutingFile, MonitorFile, ScenarioFile, ActionsFile)
_NULL = {"type": "null"}


def kind_of(model: type[BaseModel]) -> str:
    """Return the value of the file's key ``kind``."""
    return str(get_args(model.model_fields["kind"].annotation)[0])


KINDS: dict[str, type[BaseModel]] = {kind_of(model): model for model in _FILES}


def schema(name: str) -> dict[str, Any]:
    """The schema of the kind ``name``, or of a file of any kind (``ANY``).

    It refuses what the loader refuses as long as that shows in a single value or in which keys are there;
    what the loader accepts, it accepts.
    """
    kinds = KINDS if name == ANY else {name: KINDS[name]}
    places, made = models_json_schema([(model, "validation") for model in kinds.values()])
    models = {places[model, "validation"]["$ref"].rpartition("/")[2]: model for model in kinds.values()}
    definitions = {key: _plain(value) for key, value in made["$defs"].items()}
    for definition in [*definitions.values()]:
        if "receivers" in definition["properties"] and "groupBy" in definition["properties"]:
            named = definition["properties"]["receivers"]["patternProperties"]
            named.update({name: {"$ref": "#/$defs/Receiver"} for name in named})
            definitions |= receiver_definitions()
    for key in models:
        definitions[key]["patternProperties"] = {"^x-": {"description": "Your own: anchors to merge."}}
    heads = {kind_of(model): {"$ref": f"#/$defs/{key}"} for key, model in models.items()}
    return {"$schema": DIALECT, "title": name, **_head(heads), "$defs": dict(sorted(definitions.items()))}


def text(name: str) -> str:
    """The schema as a file."""
    return json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"


def files() -> dict[str, str]:
    """File name -> text, of every kind and of any."""
    return {f"{name}.json": text(name) for name in (*KINDS, ANY)}


def _head(heads: Mapping[str, dict[str, str]]) -> dict[str, Any]:
    if len(heads) == 1:
        return {"allOf": list(heads.values())}
    kind = {"enum": list(heads), "description": "What this file is."}
    chosen = [
        {"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": head}
        for name, head in heads.items()
    ]
    return {"type": "object", "required": ["kind"], "properties": {"kind": kind}, "allOf": chosen}


def _plain(value: Any, *, named: bool = False) -> Any:
    """Without the titles and empty defaults that pydantic makes up; ``named``: keys are a user's."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _plain(item, named=key == "properties" and not named)
        for key, item in value.items()
        if named or not ((key == "title") or (key == "default" and item in (None, [], {})))
    }
    if not named and "patternProperties" in kept:
        kept["additionalProperties"] = False
    if not named and "anyOf" in kept and _NULL in kept["anyOf"] and len(kept["anyOf"]) == 2:
        return _optional(kept)
    return kept


def _optional(value: dict[str, Any]) -> dict[str, Any]:
    """A key may be there and empty, which is as if it were not."""
    inner = next(option for option in value["anyOf"] if option != _NULL)
    if set(inner) & {"$ref", "enum", "const"} or not isinstance(inner.get("type"), str):
        return value
    rest = {key: item for key, item in value.items() if key != "anyOf"}
    return {**inner, "type": [inner["type"], "null"], **rest}
