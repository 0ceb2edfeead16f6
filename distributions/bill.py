"""Bill of materials of a distribution, as CycloneDX 1.6: all that it installs, and under which licences.

Versions are those of this environment, which are those of scripts/lock.txt. All extras are in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import is_expression, is_supported_id
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from distributions.split import Distribution
from mlslo.version import VERSION

ALLOWED = frozenset(
    [
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    ]
)
"""Licences under which a dependency may be: none of them says how mlslo is licensed, or what runs beside it."""

_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
}
_READ = {"protobuf": "BSD-3-Clause", "promql-parser": "MIT"}
"""Licences from a package's LICENSE file, where its metadata does not tell."""

Graph = Mapping[str, Sequence[str]]


def graph(distribution: Distribution, ours: Mapping[str, Distribution]) -> Graph:
    """Return what each package that ``distribution`` installs requires, by normalized name; all extras are taken."""
    found: dict[str, set[str]] = {}
    done: set[tuple[str, str]] = set()
    waiting = [(distribution.name, extra) for extra in ("", *distribution.extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        requirements = found.setdefault(name, set())
        for requirement in _required(name, extra, ours):
            required = canonicalize_name(requirement.name)
            # `a[b]` requires `a` for its extra b: no edge.
            requirements |= {required} - {name}
            waiting += [(required, one) for one in ("", *requirement.extras)]
    return {name: sorted(requirements) for name, requirements in sorted(found.items())}


def licence(name: str) -> str | None:
    """Return the SPDX expression of an installed package's licence, or None where it tells none that we can read."""
    about = metadata.metadata(name)
    said: list[str] = about.get_all("License-Expression", []) + about.get_all("License", [])
    for text in said:
        if is_supported_id(text) or is_expression(text):
            return text
    classified = [_CLASSIFIERS[line] for line in about.get_all("Classifier", []) if line in _CLASSIFIERS]
    return " AND ".join(sorted(set(classified))) or _READ.get(name)


def is_allowed(expression: str | None) -> bool:
    """Return whether all that an SPDX expression names is in ALLOWED."""
    named = set(re.findall(r"[\w.+-]+", expression or "")) - {"AND", "OR"}
    return bool(named) and named <= ALLOWED


def bill(distribution: Distribution, ours: Mapping[str, Distribution]) -> str:
    """Return the bill of materials as JSON: the same text for the same versions."""
    edges = graph(distribution, ours)
    components = {name: _component(name, ours) for name in edges}
    root = components[distribution.name]
    bom = Bom(components=[component for component in components.values() if component is not root])
    bom.metadata.component = root
    for name, required in edges.items():
        bom.register_dependency(components[name], [components[other] for other in required])
    content = json.loads(JsonV1Dot6(bom).output_as_string())
    # The time and a random number are all that would differ from run to run.
    del content["metadata"]["timestamp"]
    names = "\n".join(sorted(str(component.purl) for component in components.values()))
    content["serialNumber"] = uuid5(NAMESPACE_URL, names).urn
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _required(name: str, extra: str, ours: Mapping[str, Distribution]) -> list[Requirement]:
    if name in ours:
        part = ours[name]
        return [Requirement(line) for line in (part.extras[extra] if extra else part.dependencies)]
    requirements = map(Requirement, metadata.requires(name) or [])
    return [
        found for found in requirements if found.marker is None or found.marker.evaluate({"extra": extra})
    ]


def _component(name: str, ours: Mapping[str, Distribution]) -> Component:
    version = VERSION if name in ours else metadata.version(name)
    expression = "Apache-2.0" if name in ours else licence(name)
    url = PackageURL("pypi", name=name, version=version)
    licences = [LicenseFactory().make_from_string(expression)] if expression else []
    kind = ComponentType.APPLICATION if name in ours else ComponentType.LIBRARY
    return Component(name=name, version=version, type=kind, purl=url, bom_ref=str(url), licenses=licences)
