"""Places of inboxes in the state directory."""

from __future__ import annotations

from pathlib import Path

INBOXES = "inbox"
"""Name of the folder of all inboxes, in the state directory."""


def inbox_folder(state_file: Path) -> Path:
    """Return the folder of the inboxes of the model whose state is in ``state_file``."""
    return state_file.parent / INBOXES / state_file.stem


def inbox_path(folder: Path, log: str) -> Path:
    """Return the inbox of ``log`` (predictions, labels) in the ``folder`` of a model."""
    return folder / f"{log}.sqlite"
