"""What a sidecar imports: scipy costs 16 MB, and only statistics that need it may import it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import exporter
from tests.support.logs import AT, monitor, record, write_lines, write_monitor
from tests.support.paths import ROOT

_SCRIPT = """
import sys
from exporter.cli import main
main(["once", sys.argv[1], "--at", sys.argv[2]], standalone_mode=False)
print("scipy:", "scipy" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("references", [False, True])
def test_scipy_is_imported_where_a_p_value_is_asked_for(tmp_path: Path, references: bool) -> None:
    records = [record(i, at=float(i), features={"amount": i % 7, "country": "DE"}) for i in range(20)]
    log = write_lines(tmp_path / "logs/predictions.jsonl", records)
    named = {"training": {"static": "training.json"}} if references else {}
    path = write_monitor(tmp_path, monitor(labels=None, references=named))
    if references:
        exporter("baseline", path, "--data", log, "--out", tmp_path / "training.json")
    command = [sys.executable, "-c", _SCRIPT, str(path), AT]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert ("ml_feature_ks_p_value{" in printed) == references
    assert printed.splitlines()[-1] == f"scipy: {references}"
