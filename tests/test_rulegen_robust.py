"""Specs that were damaged at random: fine, or one clear message; never a traceback, nor a file."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.yamlfile import read
from rulegen.cli import main

CONTRACT = Path(__file__).parent / "contract"
SPEC = read(CONTRACT / "fraud.slo.yaml").data

Place = tuple[str | int, ...]


def places(data: Any, at: Place = ()) -> list[Place]:
    """Every place below the top of a document."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in items for found in ((*at, key), *places(value, (*at, key)))]


PLACES = places(SPEC)
VALUES: list[Any] = [
    None, True, 0, -1, 1, 10**30, 0.5, 1e-300, 1e300, "", "x", "é\u0000", "1h", "0s", "100y", [], {}, [[]],
    "P1", "ml_model_auc_roc", "ml_feature_psi", "{{.window}}", "sum(rate(a[{{.window}}]))", {"above": 1},
    {"gauge": {"metric": "ml_feature_psi"}}, {"changeFrom": {"offset": "1d", "by": 1e-9}},
    {"adaptive": {"deviations": 3, "window": "7d"}}, {"forecast": {"below": 0, "within": "4h", "basedOn": "6h"}},
    {"promql": {"query": "sum by (feature) (x)", "labels": ["feature"]}}, {"promql": {"query": "x[5m]"}},
    {"atLeastRatio": 0.5},
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """The contract's spec with a few values replaced, removed or copied to another place."""
    spec = copy.deepcopy(SPEC)
    for _ in range(draw(st.integers(1, 3))):
        *parents, key = draw(st.sampled_from(PLACES))
        holder = spec
        try:
            for parent in parents:
                holder = holder[parent]
            old = holder[key]
        except (KeyError, IndexError, TypeError):
            continue
        action = draw(st.sampled_from(["replace", "remove", "other"]))
        if action == "remove":
            del holder[key]
        elif action == "replace":
            holder[key] = draw(st.sampled_from(VALUES))
        else:
            source: Any = SPEC
            for step in draw(st.sampled_from(PLACES)):
                source = source[step]
            holder[key] = copy.deepcopy(source) if source is not old else None
    return spec


@settings(max_examples=150)
@given(damaged())
def test_damage_is_answered_with_a_message(spec: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fraud.slo.yaml"
        path.write_text(yaml.safe_dump(spec, allow_unicode=True))
        arguments = [str(path), str(CONTRACT / "routing.yaml"), str(CONTRACT / "fraud.monitor.yaml")]
        out = Path(folder) / "out"
        result = CliRunner().invoke(main, ["generate", *arguments, "--out", str(out)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code in (0, 2)
        assert out.exists() == (result.exit_code == 0)
        if result.exit_code == 2:
            assert all(line.startswith(f"{path}:") for line in result.stderr.splitlines()), result.stderr
