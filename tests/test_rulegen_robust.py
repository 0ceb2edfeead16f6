"""Specs that were damaged at random: fine, or clear messages with a place; never a traceback, nor half a folder."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

from rulegen.cli import main
from tests.damage import NAMES, specs

MISSING = ("SPEC: expected a file of kind ModelSLO, got none", "SPEC: expected a file of kind AlertRouting")


def judge(files: dict[str, bytes]) -> int:
    """Generate from ``files`` in a folder of their own; returns the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / file for file in NAMES]
        for path in paths:
            path.write_bytes(files[path.name])
        out = folder / "out"
        result = CliRunner().invoke(main, ["generate", *map(str, paths), "--out", str(out)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code in (0, 2)
        assert out.exists() == (result.exit_code == 0)
        place = re.compile("|".join(rf"{re.escape(str(path))}:[1-9]\d*:[1-9]\d*: \S" for path in paths))
        lines = result.stderr.split("\n")[:-1]
        assert bool(lines) or result.exit_code == 0
        for line in lines:
            assert place.match(line) or line.startswith(MISSING), line
            assert (": warning: " in line) == (result.exit_code == 0), line
        return result.exit_code


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs())
def test_damage_is_answered_with_a_message(files: dict[str, bytes]) -> None:
    judge(files)
