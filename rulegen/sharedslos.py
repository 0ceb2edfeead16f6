"""SLOs that files write alike are one object: teams copy from each other, and most of thousands are said again."""

from __future__ import annotations

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
        texts = spec.slo_texts(document.data)
        if not any(text in self._known for text in texts):
            found = spec.from_document(document)
        else:
            raw = spec.slos_of(document.data)
            known = [self._known.get(text, slo) for text, slo in zip(texts, raw, strict=True)]
            data = {**document.data, "spec": {**document.data["spec"], "slos": known}}
            try:
                found = ModelSlo(document, ModelSloFile.model_validate(data), texts)
            except ValidationError:
                # It says what is wrong, and where.
                return spec.from_document(document)
        self._known |= zip(texts, found.spec.slos, strict=True)
        return found
