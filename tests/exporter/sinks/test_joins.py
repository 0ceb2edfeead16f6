"""An exporter that is killed over two logs in object stores; ``benchmarks.sink_kills KIND --joins`` kills a hundred."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.support.sinks.joins import Joins
from tests.support.sinks.objects import ObjectsServer


@pytest.mark.slow
def test_labels_meet_their_predictions_under_kills(tmp_path: Path) -> None:
    folders = [tmp_path / "predictions", tmp_path / "labels"]
    for folder in folders:
        folder.mkdir()
    with closing(ObjectsServer(folders[0])) as predictions, closing(ObjectsServer(folders[1])) as labels:
        joins = Joins(predictions, labels, tmp_path)
        for _ in range(2):
            joins.kill()
        joins.recount()
    assert joins.outcomes == joins.records > 20
