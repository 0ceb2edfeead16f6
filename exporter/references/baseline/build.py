"""From files to a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.features import KINDS
from exporter.references.baseline import account, together
from exporter.references.baseline.account import Account
from exporter.references.baseline.columns import Column, feature_columns
from exporter.references.baseline.infer import Guess, infer
from exporter.references.baseline.predictions import answers
from exporter.references.baseline.source import Progress, Source, open_source, silent
from exporter.references.baseline.views import describe
from exporter.references.reference import FeatureViews, Reference
from mlslo.monitor import Monitor
from mlslo.yamlfile import InputError

_READING = 0.5


@dataclass(frozen=True)
class Baseline:
    """A reference, and an account of each part of it. ``malformed``: records that could not be parsed."""

    reference: Reference
    accounts: list[Account]
    malformed: int


def build(monitor: Monitor, files: Sequence[Path], progress: Progress = silent) -> Baseline:
    """Read ``files`` (all JSONL, all CSV or all Parquet) and summarise every feature, and what was predicted.

    Kinds of features come from the monitor file, or are inferred from the data. ``progress`` is told the share
    that is done. Raises InputError.
    """
    with open_source(files, lambda share: progress(share * _READING)) as source:
        return _build(monitor, files, source, progress)


def _build(monitor: Monitor, files: Sequence[Path], source: Source, progress: Progress) -> Baseline:
    columns = feature_columns(source, monitor)
    described: dict[str, FeatureViews] = {}
    accounts = []
    for position, column in enumerate(columns):
        declaration = monitor.spec.features.get(column.feature)
        guess = Guess(declaration.type) if declaration else infer(source, column)
        found = describe(source, column, guess.kind) if guess.kind else guess.remark
        if isinstance(found, str):
            accounts.append(account.left_out(column.feature, found, declared=declaration is not None))
        else:
            described[column.feature] = found
            accounts.append(
                account.of_feature(column.feature, found, guess.remark, declared=declaration is not None)
            )
        progress(_READING + (1 - _READING) * (position + 1) / (len(columns) + 2))
    _refuse_ambiguous(monitor, columns, described)
    answered = answers(source, monitor)
    reference = Reference(
        created=max(file.stat().st_mtime for file in files),
        hash="",
        rows=source.rows,
        described=described,
        score=answered.score,
        classes=answered.classes,
        labels=answered.labels,
        calibration=answered.calibration,
        class_calibration=answered.class_calibration,
        moments=together.moments(source, columns, described),
        attributions=together.attributions(source, monitor.spec.predictions.fields.attributions),
    )
    for name, answer in (
        ("(score)", answered.score),
        ("(predicted)", answered.classes),
        ("(label)", answered.labels),
    ):
        if answer is not None:
            accounts.append(account.of_answer(name, answer))
    progress(1.0)
    return Baseline(reference, accounts, source.malformed)


def _refuse_ambiguous(
    monitor: Monitor, columns: Sequence[Column], described: dict[str, FeatureViews]
) -> None:
    """Two series of one name cannot be told apart."""
    features = {column.feature for column in columns}
    for feature, item in described.items():
        for name in KINDS[item.kind].views(feature).values():
            if name != feature and name in features:
                message = (
                    f"'{name}' is a feature, and a view of the {item.kind} feature '{feature}'; rename one"
                )
                raise InputError([monitor.document.problem(("spec", "features"), message)])
