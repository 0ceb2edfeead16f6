"""The helper needs nothing but Python: a model server imports it beside whatever it has."""

import subprocess
import sys


def test_importing_it_imports_no_other_package() -> None:
    code = (
        "import sys; before = set(sys.modules); import mlslo.prediction_log; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} "
        "- set(sys.stdlib_module_names)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["mlslo"]
