"""Write the example's status pages and report into a folder, for a browser: python -m tests.browser.pages FOLDER."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from docs.generate.status import measured
from exporter.pages import Choice, Frame, index, page


def main(folder: Path) -> None:
    """Write index.html, model.html and report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mlslo-look-") as name:
        snapshot = measured(Path(name) / "diabetes")
    frame = Frame("diabetes/monitor.yaml", trouble=["The state file was damaged and has been set aside."])
    models = [("diabetes", frame, snapshot), ("fraud", Frame("fraud/monitor.yaml"), None)]
    written = {
        "index.html": index(models, "fraud/monitor.yaml:3:1: unknown key 'specs'; did you mean 'spec'?"),
        "model.html": page(snapshot, frame, Choice()),
        "report.html": page(snapshot, Frame("diabetes/monitor.yaml", standalone=True), Choice()),
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
