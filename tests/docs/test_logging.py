"""The snippets of docs/logging.md run, and their log is what the page says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

_PAGE = (ROOT / "docs/logging.md").read_text(encoding="utf-8")
_SCHEMA = json.loads((ROOT / "docs/schemas/prediction-record.json").read_text(encoding="utf-8"))


def test_the_snippets_write_records(tmp_path: Path) -> None:
    snippets = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    assert len(snippets) == 3
    for snippet in snippets:
        subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, check=True, timeout=60)
    lines = (tmp_path / "logs/predictions.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        jsonschema.validate(record, _SCHEMA)
    assert len(records) == 1 + 3
    assert records[0]["features"] == {"amount": 120.5, "country": "CH"}
    assert set(records[1]["score"]) == {"0", "1", "2"}


def test_the_monitor_file_is_that_of_the_example() -> None:
    assert f"```yaml\n{(ROOT / 'examples/server/monitor.yaml').read_text(encoding='utf-8')}```\n" in _PAGE


def test_every_key_is_in_the_table() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", _PAGE, re.MULTILINE))
    assert named == set(_SCHEMA["properties"])
