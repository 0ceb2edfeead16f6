"""SLOs that files write alike are one object: teams copy from each other, and most of thousands are said again."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from exporter.yamlfile import Document
from rulegen import spec
from rulegen.spec import ModelSlo, ModelSloFile, Slo


class SharedSlos:
    """Those of one run."""

    def __init__(self) -> None:
        self._known: dict[str, Slo] = {}

    def from_document(self, document: Document) -> ModelSlo:
        """Validate the shape of an already read ModelSLO file. Raises InputError."""
        raw = _slos(document.data)
        # What YAML gives is told apart by how Python writes it: 1, 1.0, "1" and True.
        texts = [repr(slo) for slo in raw]
        if not any(text in self._known for text in texts):
            found = spec.from_document(document)
        else:
            known = [self._known.get(text, slo) for text, slo in zip(texts, raw, strict=True)]
            data = {**document.data, "spec": {**document.data["spec"], "slos": known}}
            try:
                found = ModelSlo(document, ModelSloFile.model_validate(data))
            except ValidationError:
                # It says what is wrong, and where.
                return spec.from_document(document)
        self._known |= zip(texts, found.spec.slos, strict=True)
        return found


def _slos(data: Any) -> list[Any]:
    """The SLOs as they stand in a file of any shape."""
    for key in ("spec", "slos"):
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, list) else []
