"""Cells are those that numpy.searchsorted finds, bit for bit, however the edges lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exporter.summary.cells import Cells
from tests.support.references import quantile_edges

RNG = np.random.default_rng(5)
LARGEST, TINY = np.finfo(float).max, 5e-324

EDGES = {
    "none": [],
    "one": [2.0],
    "two neighbours": [1.0, np.nextafter(1.0, 2)],
    "atoms": [edge for atom in range(10) for edge in (np.nextafter(float(atom), -np.inf), float(atom))],
    "zeros": [-TINY, -0.0, TINY],
    "denormals": [TINY * step for step in range(1, 60)],
    "everything": [-LARGEST, -1.0, -TINY, 0.0, TINY, 1.0, LARGEST],
    "crowd": [*(1 + np.arange(300) * 1e-15), 1e15],
    "octaves": [*-(2.0 ** np.arange(900, -900, -9)), *(2.0 ** np.arange(-900, 900, 9))],
    "one enormous": quantile_edges(np.append(RNG.normal(size=5000), 1e300))[0],
    "normal": quantile_edges(RNG.normal(3, 0.01, size=5000))[0],
    "lognormal": quantile_edges(RNG.lognormal(0, 4, size=5000))[0],
    "cauchy": quantile_edges(RNG.standard_cauchy(size=5000))[0],
    "counts": quantile_edges(RNG.poisson(30, size=5000).astype(float))[0],
}


def assert_found(edges: np.ndarray, values: np.ndarray) -> None:
    assert np.array_equal(Cells(edges).find(values), np.searchsorted(edges, values))


@pytest.mark.parametrize("name", EDGES)
def test_cells_are_those_of_a_binary_search(name: str) -> None:
    edges = np.unique(np.array(EDGES[name], dtype=float))
    near = np.concatenate([edges, np.nextafter(edges, -LARGEST), np.nextafter(edges, LARGEST)])
    spread = np.array([0.0, -0.0, TINY, -TINY, LARGEST, -LARGEST, 1.0, -1.0])
    between = RNG.choice(np.append(edges, 0.0), 20_000) * RNG.normal(1, 0.01, 20_000).clip(-1, 1)
    assert_found(edges, np.concatenate([near, spread, between, RNG.normal(size=100)]))


@given(
    edges=hnp.arrays(
        np.float64, st.integers(0, 40), elements=st.floats(allow_nan=False, allow_infinity=False)
    ),
    values=hnp.arrays(
        np.float64, st.integers(0, 40), elements=st.floats(allow_nan=False, allow_infinity=False)
    ),
)
def test_any_edges_and_any_values(edges: np.ndarray, values: np.ndarray) -> None:
    assert_found(np.unique(edges), np.concatenate([values, edges]))
