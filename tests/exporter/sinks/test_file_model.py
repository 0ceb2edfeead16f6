"""Random lives of log files: what the page of promises says is read once is, whatever happens to them.

``python -m tests.exporter.sinks.file_model --cases 5000`` plays more of them.
"""

from __future__ import annotations

import pytest

from exporter.sinks.files import FileSink, TrackedFile
from exporter.sinks.positions import Positions
from exporter.sinks.sink import Batch
from tests.exporter.sinks.file_model import BrokenPromiseError, play
from tests.support.properties import examples


def test_lives_of_log_files() -> None:
    play(examples(200))


@pytest.mark.parametrize(
    "broken", ["copies are not committed", "content is not compared", "originals are forgotten"]
)
def test_the_model_sees_what_is_broken(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "copies are not committed":
        monkeypatch.setattr(FileSink, "_commit_only", lambda *_: Batch(memoryview(b""), 0, {}))
    elif broken == "content is not compared":
        monkeypatch.setattr(TrackedFile, "holds", lambda *_: True)
    else:
        monkeypatch.setattr(Positions, "displace", Positions.put)
    with pytest.raises(BrokenPromiseError):
        play(300)
