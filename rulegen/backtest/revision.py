"""Spec files as they were at a revision of Git."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlslo.yamlfile import InputError
from rulegen.validation import specs
from rulegen.validation.specs import Specs


def load(paths: Sequence[Path], revision: str, folder: Path, now: Specs) -> Specs | None:
    """Read the same spec files at ``revision``, by way of ``folder``; None where there was no ModelSLO.

    A routing file that was not there is the one of ``now``. Raises InputError.
    """
    found: list[Path] = []
    for path in paths:
        place = path.resolve()
        top = Path(_git(path, place.parent, "rev-parse", "--show-toplevel").decode().strip())
        name = place.relative_to(top.resolve()).as_posix() or "."
        # An argument that begins with a dash would be a flag.
        commit = _git(path, top, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        if not _git(path, top, "ls-tree", "--name-only", commit.decode().strip(), name):
            continue
        archive = _git(path, top, "archive", "--format=tar", commit.decode().strip(), name)
        into = folder / str(len(found))
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                # Files alone: a link could lead out of the folder. Python knows filters only since 3.11.4.
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None:
                    target = into / member.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
        found.append(into / name)
    try:
        if not any(_has(path, "kind: ModelSLO") for path in found):
            return None
        if not any(_has(path, "kind: AlertRouting") for path in found):
            found.append(now.routing.document.path)
        return specs.load(found)
    except InputError as error:
        raise InputError(
            [replace(one, file=_as_of(one.file, folder, revision)) for one in error.problems]
        ) from None


def _as_of(file: str, folder: Path, revision: str) -> str:
    """The name of an unpacked file as Git has it: ``revision:path``."""
    if not file.startswith(str(folder)):
        return file
    return f"{revision}:{'/'.join(Path(file).relative_to(folder).parts[1:])}"


def _has(path: Path, text: str) -> bool:
    files = path.rglob("*.y*ml") if path.is_dir() else [path]
    return any(text in file.read_text(errors="replace") for file in files)


def _git(path: Path, folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError.of_file(path, "--against needs git, which is not on PATH") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError.of_file(path, f"git {arguments[0]}: {said[-1] if said else 'failed'}")
    return done.stdout
