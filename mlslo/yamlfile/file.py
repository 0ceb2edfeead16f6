"""The shell that every kind of file has: apiVersion, kind, metadata and spec."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, Field

from mlslo.yamlfile.errors import InputError, Problem
from mlslo.yamlfile.reader import Document, read
from mlslo.yamlfile.validate import StrictModel, validate

Metadata = TypeVar("Metadata", bound=BaseModel)
Spec = TypeVar("Spec", bound=BaseModel)


class File(StrictModel, Generic[Metadata, Spec]):
    """Base of the files that users write; a subclass narrows ``kind`` to a literal."""

    apiVersion: Literal["mlslo/v1"] = Field(description="Version of the file format.")
    kind: str = Field(description="What this file is.")
    metadata: Metadata = Field(description="Which file it is, and whose.")
    spec: Spec = Field(description="What the file says.")


@dataclass(frozen=True)
class Loaded(Generic[Metadata, Spec]):
    """A validated file and the document that it was read from, which knows the place of each key.

    A subclass names its ``model``, and yields in ``problems`` what no single key shows.
    """

    document: Document
    file: File[Metadata, Spec]
    model_type: ClassVar[type[File]]  # type: ignore[type-arg]

    @property
    def metadata(self) -> Metadata:
        return self.file.metadata

    @property
    def spec(self) -> Spec:
        return self.file.spec

    @property
    def path(self) -> Path:
        """The path of the file, as it was given."""
        return self.document.path

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read and validate a file; nothing that it points to is opened. Raises InputError with every problem."""
        return cls.from_document(read(path))

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Validate an already read file. Raises InputError with every problem."""
        loaded = cls(document, validate(document, cls.model_type))
        if problems := list(loaded.problems()):
            raise InputError(problems)
        return loaded

    def problems(self) -> Iterator[Problem]:
        """Yield the problems of keys that do not go together."""
        yield from ()
