"""The spec files of one run: read, told apart by ``kind``, checked together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlslo import monitor as monitors
from mlslo.actions import Actions
from mlslo.monitor import Monitor
from mlslo.yamlfile import Document, InputError, Problem, did_you_mean, quoted_list, read, shown
from rulegen.spec import model_slo, routing
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing
from rulegen.validation import slo_checks, spec_folder
from rulegen.validation.spec_folder import KINDS

_NO_MODEL = Problem("SPEC", 0, 0, "expected a file of kind ModelSLO, got none")


@dataclass(frozen=True)
class Specs:
    """Everything that was named on the command line. ModelSLO files come in the order of their names.

    ``notes``: files of folders that were passed over, and why.
    """

    models: Sequence[ModelSlo]
    routing: Routing
    monitors: Sequence[Monitor]
    actions: Sequence[Actions] = ()
    notes: Sequence[Problem] = ()


def load(paths: Iterable[Path]) -> Specs:
    """Read and check all files. A folder stands for its YAML files of a known kind.

    Raises InputError, with a place for each problem of every file.
    """
    problems: list[Problem] = []
    models: list[ModelSlo] = []
    routings: list[Routing] = []
    watched: list[Monitor] = []
    acting: list[Actions] = []
    notes: list[Problem] = []
    for document in _documents(paths, problems, notes):
        try:
            match _kind(document):
                case "ModelSLO":
                    models.append(model_slo.from_document(document))
                case "AlertRouting":
                    routings.append(routing.from_document(document))
                case "AlertActions":
                    acting.append(Actions.from_document(document))
                case _:
                    watched.append(monitors.from_document(document))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    if not models:
        raise InputError([_NO_MODEL])
    if not routings:
        message = "expected a file of kind AlertRouting (tiers, receivers), got none"
        raise InputError([Problem("SPEC", 0, 0, message)])
    for extra in routings[1:]:
        message = f"a second AlertRouting: {routings[0].document.path} is one, expected exactly one"
        problems.append(extra.document.problem(("kind",), message))
    problems += slo_checks.across(models, watched)
    for model in models:
        problems += slo_checks.of_model(model, routings[0], watched)
    if problems:
        raise InputError(problems)
    return Specs(sorted(models, key=lambda model: model.name), routings[0], watched, acting, notes)


def load_models(paths: Iterable[Path]) -> list[ModelSlo]:
    """Read the ModelSLO files, each by itself: those of other kinds are passed over. Raises InputError."""
    problems: list[Problem] = []
    models: list[ModelSlo] = []
    for document in _documents(paths, problems, []):
        try:
            if _kind(document) == "ModelSLO":
                models.append(model_slo.from_document(document))
        except InputError as error:
            problems += error.problems
    if problems or not models:
        raise InputError(problems or [_NO_MODEL])
    return models


def _documents(paths: Iterable[Path], problems: list[Problem], notes: list[Problem]) -> list[Document]:
    documents: list[Document] = []
    seen: set[object] = set()
    for path in paths:
        try:
            found = spec_folder.files(path, notes) if spec_folder.is_folder(path) else [path]
        except InputError as error:
            problems += error.problems
            continue
        for file in found:
            identity = _identity(file)
            if identity in seen:
                continue
            seen.add(identity)
            try:
                documents.append(read(file))
            except InputError as error:
                problems += error.problems
    return documents


def _identity(file: Path) -> object:
    """The same for all names of a file."""
    try:
        state = file.stat()
    except OSError:
        # To read it says what is wrong.
        return file
    return state.st_dev, state.st_ino


def _kind(document: Document) -> str:
    data = document.data
    if not isinstance(data, dict):
        raise document.error((), "expected a mapping with apiVersion and kind")
    if "kind" not in data:
        raise document.error((), f"missing key 'kind', expected one of {quoted_list(KINDS)}")
    kind = data["kind"]
    if kind not in KINDS:
        near = did_you_mean(kind, KINDS) if isinstance(kind, str) else ""
        raise document.error(("kind",), f"expected one of {quoted_list(KINDS)}, got {shown(kind)}{near}")
    return str(kind)
