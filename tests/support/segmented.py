"""A log whose rows differ by country, tier and gender, and what the exporter says of it or of a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.daemon.models import load_all
from exporter.features.binning import NumericBinning
from exporter.references.baseline import build
from exporter.references.baseline.views import Quantiles
from exporter.references.reference import ViewReference
from exporter.references.reference_file import dump
from mlslo.catalogue import METRICS
from mlslo.monitor import load
from tests.support.commands import exporter
from tests.support.logs import AT, record, write_lines, write_monitor

Record = dict[str, Any]
Series = Mapping[str, Mapping[tuple[str, ...], float]]


def predictions(rows: int, seed: int = 0, start: float = 60.0, end: float = 3500.0) -> list[Record]:
    """Countries of very unequal size, a tier written as 1 and as 1.0, a gender that some lack."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(start, end, rows))
    countries = rng.choice(["DE", "FR", "IT", "ES", "PL", ""], rows, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    found = []
    for row in range(rows):
        country = str(countries[row]) or None
        foreign = 0.0 if country == "DE" else 0.6
        score = float(1 / (1 + np.exp(-rng.normal(foreign - 0.3, 1.2))))
        features = {
            "amount": float(rng.normal(foreign, 1 + foreign)) if rng.random() < 0.97 else None,
            "country": country,
            "member": bool(rng.random() < 0.3 + foreign / 3),
            "tier": [1, 1.0, 2, "2.0", 3][rng.integers(5)],
            "gender": ["f", "m", "f", "m", "x"][rng.integers(5)] if rng.random() < 0.95 else None,
        }
        found.append(
            record(
                row,
                id=f"s{seed}-{row}",
                at=float(times[row]),
                version="v1",
                status=500 if rng.random() < 0.02 else 200,
                latency_ms=float(rng.gamma(2.0, 20.0)),
                score=score,
                prediction=int(score >= 0.5),
                features={name: value for name, value in features.items() if value is not None},
            )
        )
    return found


def labels(records: Iterable[Record], share: float = 0.8, seed: int = 0) -> list[Record]:
    """The truth of most of ``records``, some minutes later; worse where the country is not Germany."""
    rng = np.random.default_rng(seed + 1000)
    found = []
    for item in records:
        noise = 0.5 if item["features"].get("country") == "DE" else 1.5
        truth = int(item["score"] + rng.normal(0, noise / 3) >= 0.5)
        if rng.random() < share:
            found.append({"id": item["id"], "label": truth, "ts": item["ts"] + float(rng.exponential(60.0))})
    return found


def before(rows: int = 2000) -> list[Record]:
    """Labelled rows that are like those of ``predictions``, to build a reference of."""
    found = predictions(rows, seed=99)
    truth = {item["id"]: item["label"] for item in labels(found, share=1.0, seed=99)}
    return [{**item, "label": truth[item["id"]]} for item in found]


def build_reference(folder: Path, monitor: Mapping[str, Any], rows: int = 2000) -> None:
    """``reference.json`` in ``folder``, of the rows of ``before``."""
    data = write_lines(folder / "before.jsonl", before(rows))
    path = write_monitor(folder, monitor)
    exporter("baseline", path, "--data", data, "--out", folder / "reference.json")


def build_over_edges_of(
    everything: Sequence[Record], folder: Path, monitor: Mapping[str, Any], some: Sequence[Record]
) -> None:
    """``reference.json`` in ``folder``, of nothing but ``some`` rows, over the edges that ``everything`` has."""
    noted: list[Quantiles] = []
    deciles: list[Any] = []
    of, reference_of = Quantiles.of, Quantiles.reference

    def note(found: Any) -> Quantiles:
        noted.append(of(found))
        return noted[-1]

    def note_deciles(self: Quantiles, summary: Any) -> ViewReference:
        found = reference_of(self, summary)
        deciles.append(found.deciles)
        return found

    folder.mkdir(parents=True)
    path = load(write_monitor(folder, monitor))
    files = [write_lines(folder / f"{number}.jsonl", rows) for number, rows in enumerate((everything, some))]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Quantiles, "of", note)
        patched.setattr(Quantiles, "reference", note_deciles)
        build(path, files[:1])
        again, again_deciles = iter(noted), iter(deciles)

        def replay(found: Any) -> Quantiles:
            known = next(again)
            return Quantiles(known.fine, NumericBinning(known.binning.edges, of(found).binning.pivot))

        patched.setattr(Quantiles, "of", replay)
        patched.setattr(
            Quantiles,
            "reference",
            lambda self, summary: ViewReference(self.binning, summary, next(again_deciles)),
        )
        reference = build(path, files[1:]).reference
        assert next(again, None) is None
    (folder / "reference.json").write_text(dump("m", reference))


def measured(folder: Path, monitor: Mapping[str, Any], at: str = AT) -> Series:
    """Return the output of `mlslo-exporter once`, without starting a process."""
    (model,) = load_all([write_monitor(folder, monitor)])
    with closing(model.open(None)) as cycle:
        snapshot = cycle.run(at=datetime.fromisoformat(at).timestamp(), final=True)
    assert snapshot is not None
    return snapshot.series


def part(series: Series, segment: str = "", value: str = "") -> dict[tuple[str, ...], float]:
    """Every series of one segment value: (name, its other labels) -> value."""
    found = {}
    for name, members in series.items():
        names = METRICS[name].labels
        if "segment" not in names:
            continue
        for values, number in members.items():
            known = dict(zip(names, values, strict=True))
            if known.pop("segment") == segment and known.pop("segment_value") == value:
                found[(name, *(f"{key}={text}" for key, text in known.items()))] = number
    return found


def differences(
    found: Mapping[tuple[str, ...], float], expected: Mapping[tuple[str, ...], float]
) -> list[str]:
    """Return the series that only one of them has, or that differ by more than the rounding of sums."""
    told = [f"only found: {key}" for key in found.keys() - expected.keys()]
    told += [f"not found: {key}" for key in expected.keys() - found.keys()]
    for key in found.keys() & expected.keys():
        # References of segments have the sums of numbers to a hundred-thousandth of a standard deviation.
        rounded = 1e-6 if key[0].endswith(("_mean_shift_sigmas", "_wasserstein_distance")) else 1e-9
        if abs(found[key] - expected[key]) > rounded + 1e-7 * abs(expected[key]):
            told.append(f"{key}: {found[key]} instead of {expected[key]}")
    return sorted(told)


def alone(
    folder: Path, monitor: Mapping[str, Any], records: Iterable[Record], truth: Iterable[Record], at: str = AT
) -> dict[tuple[str, ...], float]:
    """The series of all traffic of a log that holds only these records, and of a label log with their labels."""
    kept = list(records)
    ids = {item["id"] for item in kept}
    folder.mkdir(parents=True)
    write_lines(folder / "logs/predictions.jsonl", kept)
    write_lines(folder / "logs/labels.jsonl", [item for item in truth if item["id"] in ids])
    return part(measured(folder, monitor, at))
