"""Recover CRD schemas from the validators that an npm package compiled from them, and prove the recovery.

`scripts/crds` runs it with the folder of the installed package. The compiled code is regular: a function for each
subschema, which names every keyword it checks. The recovered schemas and the package's own validators
must agree about thousands of objects before anything is written.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from tests.support.crd_schemas import FOLDER, KINDS, Schema, variants

SOURCES = {
    "PrometheusRule": "MonitoringCoreosComV1PrometheusRule",
    "AlertmanagerConfig": "MonitoringCoreosComV1alpha1AlertmanagerConfig",
    "PodMonitor": "MonitoringCoreosComV1PodMonitor",
    "ScrapeConfig": "MonitoringCoreosComV1alpha1ScrapeConfig",
}
_READ = {
    "anyOf",
    "enum",
    "format",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "required",
    "type",
}
# The packager drops every key called `description`, also where it is a property.
_DROPPED = ("opsgenieConfigs", "pagerdutyConfigs")

_VALIDATE = """
import {{ validate }} from {module!r};
import {{ createInterface }} from "node:readline";
for await (const line of createInterface({{ input: process.stdin }})) console.log(validate(JSON.parse(line)));
"""


class Compiled:
    """One module of compiled validators."""

    def __init__(self, source: str) -> None:
        self._enums = {
            name: json.loads(values)
            for name, values in re.findall(r"let (schema\d+_enum)=(\[.*?\]);", source)
        }
        self._imported = set(re.findall(r"import\{validate as (validate\d+)\}", source))
        parts = re.split(r"function (validate\d+)\(data,", source)
        self._bodies = dict(zip(parts[1::2], parts[2::2], strict=True))
        root = re.search(r"export const validate=(validate\d+)", source)
        assert root is not None
        self.root = root[1]

    def schema(self, name: str) -> dict[str, Any]:
        """The schema that a function checks."""
        if name in self._imported:
            return {"type": "object"}
        body = self._bodies[name]
        keywords = set(re.findall(r'keyword:"(\w+)"', body))
        assert keywords <= _READ, keywords - _READ
        found: dict[str, Any] = {}
        for kind in re.findall(r'keyword:"type",params:\{type:"([^"]*)"', body):
            found["type"] = kind
            if re.search(r'&&null!==data\)\{let err\d+=\{instancePath,schemaPath:"#/type"', body):
                found["nullable"] = True
        for values in re.findall(r"allowedValues:(schema\d+_enum)", body):
            found["enum"] = self._enums[values]
        for pattern in re.findall(r'keyword:"pattern",params:\{pattern:"((?:[^"\\]|\\.)*)"', body):
            found["pattern"] = json.loads(f'"{pattern}"')
        limits = (
            r'keyword:"(minLength|minItems|minimum|maximum)",params:\{(?:comparison:"[<>]=",)?limit:(-?\d+)'
        )
        for keyword, limit in re.findall(limits, body):
            found[keyword] = int(limit)
        for form in re.findall(r'keyword:"format",params:\{format:"([^"]*)"', body):
            found["format"] = form
        if required := re.findall(r'missingProperty:"([^"]*)"', body):
            found["required"] = required
        properties = dict(
            [
                *re.findall(r"void 0!==data\.(\w+)&&\(?(validate\d+)\(data\.\1,", body),
                *re.findall(r"void 0===data\.(\w+)\|\|(validate\d+)\(data\.\1,", body),
            ]
        )
        if properties:
            found["properties"] = {key: self.schema(inner) for key, inner in properties.items()}
        items = re.findall(r"(validate\d+)\(data\[i0\]", body)
        values = re.findall(r"(validate\d+)\(data\[key0\]", body)
        whole = re.findall(r"(validate\d+)\(data,\{instancePath,", body)
        for inner in items:
            found["items"] = self.schema(inner)
        for inner in values:
            found["additionalProperties"] = self.schema(inner)
        if "anyOf" in keywords:
            found["anyOf"] = [self.schema(inner) for inner in whole]
        elif whole and not found:
            (inner,) = whole
            found = {**self.schema(inner), "nullable": True}
        unread = set(re.findall(r"(validate\d+)\(data", body)) - {
            *properties.values(),
            *items,
            *values,
            *whole,
        }
        assert not unread, f"{name} calls {unread} in a way that is not understood"
        return found


def shared(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` with what it repeats under ``$defs``."""
    counts: Counter[str] = Counter()

    def count(part: Any) -> None:
        if isinstance(part, dict) and isinstance(part.get("type"), str):
            counts[json.dumps(part)] += 1
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            count(inner)

    count(schema)
    names = {
        text: f"shared{number}"
        for number, text in enumerate(text for text, times in counts.items() if times > 1 and len(text) > 120)
    }

    def refer(part: Any, *, top: bool = False) -> Any:
        if isinstance(part, list):
            return [refer(inner) for inner in part]
        if not isinstance(part, dict):
            return part
        name = names.get(json.dumps(part))
        if name is not None and not top:
            return {"$ref": name}
        return {key: refer(inner) for key, inner in part.items()}

    return {
        "schema": refer(schema),
        "$defs": {name: refer(json.loads(text), top=True) for text, name in names.items()},
    }


def prove(kind: str, document: dict[str, Any], module: Path, sample: Any) -> int:
    """Raise AssertionError where the package's validator judges a variant of ``sample`` otherwise."""
    # Metadata are Kubernetes' own: their schema is another package's.
    metadata = {"metadata": sample.pop("metadata")}
    objects = [{**one, **metadata} for one in (sample, *variants(sample))]
    schema = Schema(document, strict=False)
    told = subprocess.run(
        ["node", "--input-type=module", "--eval", _VALIDATE.format(module=str(module))],
        input="".join(json.dumps(one) + "\n" for one in objects), capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert len(told) == len(objects)
    for one, verdict in zip(objects, told, strict=True):
        mistakes = schema.mistakes(one)
        assert (not mistakes) == (verdict == "true"), (kind, verdict, mistakes, one)
    return len(objects)


def main(package: Path, samples: Path) -> None:
    """``samples``: a folder that `mlslo-rulegen generate --format operator` wrote."""
    FOLDER.mkdir(exist_ok=True)
    for kind, source in SOURCES.items():
        module = (package / "_schemas" / f"{source}.js").resolve()
        compiled = Compiled(module.read_text())
        document = shared(compiled.schema(compiled.root))
        for path in sorted(samples.glob("*/*.yaml")):
            sample = yaml.safe_load(path.read_text())
            if sample.get("kind") == kind:
                count = prove(kind, document, module, _shortened(sample))
                print(f"{kind}: {count} variants of {path.name}, one opinion")  # noqa: T201
        schema = compiled.schema(compiled.root)
        if kind == "AlertmanagerConfig":
            receivers = schema["properties"]["spec"]["properties"]["receivers"]["items"]["properties"]
            for name in _DROPPED:
                receivers[name]["items"]["properties"]["description"] = {"type": "string", "nullable": True}
        (FOLDER / f"{KINDS[kind]}.json").write_text(json.dumps(shared(schema), indent=1) + "\n")


def _shortened(sample: Any) -> Any:
    """Lists cut to their first three, or there would be a million variants."""
    if isinstance(sample, dict):
        return {key: _shortened(value) for key, value in sample.items()}
    return [_shortened(value) for value in sample[:3]] if isinstance(sample, list) else sample


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
