"""SLOs that files write alike are one object: teams copy from each other, and most of thousands are said again."""

from __future__ import annotations

from pydantic import ValidationError

from mlslo.yamlfile import Document
from rulegen.spec import model_slo
from rulegen.spec.model_slo import ModelSlo, ModelSloFile, Slo


class SharedSlos:
    """Those of one run."""

    def __init__(self) -> None:
        self._known: dict[str, Slo] = {}

    def from_document(self, document: Document) -> ModelSlo:
        """Validate the shape of an already read ModelSLO file. Raises InputError."""
        texts = model_slo.slo_texts(document.data)
        if not texts:
            return model_slo.from_document(document)
        raw = model_slo.slos_of(document.data)
        slos = [self._known.get(text, slo) for text, slo in zip(texts, raw, strict=True)]
        data = {**document.data, "spec": {**document.data["spec"], "slos": slos}}
        try:
            file = ModelSloFile.model_validate(data)
        except ValidationError:
            # It says what is wrong, and where.
            return model_slo.from_document(document)
        self._known |= zip(texts, file.spec.slos, strict=True)
        return ModelSlo(document, file, texts)
