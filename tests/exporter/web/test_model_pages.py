"""Pages of models over HTTP: any name has one, and no request delays or outlasts what it should."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from exporter.measure.exposition import Snapshot
from exporter.pages import Choice, Frame, page
from exporter.web import model_pages
from exporter.web.model_pages import ModelPages
from tests.support.daemons import Running, running
from tests.support.logs import monitor, write_lines, write_monitor

NAMES = ["m", "a/b", "../m", "..%2Fm", "100 %", "שלום", "a?b#c", "/", "metrics"]


def write_model(folder: Path, name: str, versions: Sequence[str] = ("v1",)) -> Path:
    (folder / "logs").mkdir(parents=True)
    now = time.time()
    records: list[dict[str, Any]] = [
        {"ts": now - 1, "id": f"{version}{n}", "version": version, "score": 0.5, "features": {"x": n}}
        for number, version in enumerate(versions)
        for n in range(3 + number)
    ]
    write_lines(folder / "logs/predictions.jsonl", records)
    content = monitor(labels=None, windows=["1h", "2h"], minSamples=1, schedule="1h")
    content["metadata"]["name"] = name
    return write_monitor(folder, content)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    files = [write_model(folder / str(number), name, ("", "v1")) for number, name in enumerate(NAMES)]
    with running(files, folder / "state") as found:
        found.wait_for(lambda _: found.get("/-/ready")[0] == 200)
        yield found


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Models, once for each time that a page of theirs is rendered."""
    found = []

    def counted(snapshot: Snapshot, frame: Frame, choice: Choice) -> str:
        found.append(snapshot.model)
        return page(snapshot, frame, choice)

    monkeypatch.setattr(model_pages, "page", counted)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_any_name_has_a_page(name: str, daemon: Running) -> None:
    assert f'href="/models/{quote(name, safe="")}"' in daemon.get("/")[1]
    code, html = daemon.get(f"/models/{quote(name, safe='')}")
    assert code == 200
    assert f"<title>{name} · mlslo</title>" in html


@pytest.mark.parametrize(
    "path",
    ["/models/", "/models/none", "/models/%00", "/models/m/x", "/models/%ff%fe", "/models", "/models/.."],
)
def test_what_is_no_model_is_not_found(path: str, daemon: Running) -> None:
    assert daemon.get(path)[0] == 404


def test_a_version_without_a_name_can_be_chosen(daemon: Running) -> None:
    html = daemon.get("/models/m?version=")[1]
    assert (
        'href="?version=&amp;window=1h&amp;reference=&amp;baseline=v1" aria-current="true">none</a>' in html
    )


def test_choices_that_there_are_not_cost_nothing(daemon: Running, rendered: list[str]) -> None:
    pages = ModelPages(daemon.daemon)
    odd = ["window=%00", "&&&=", "window=1h&window=2h", "version=" + "9" * 5000, "window[]=1", "%", "x" * 9]
    found = {pages.model("m", query) for query in ["", *odd, *(f"version={n}" for n in range(99))]}
    assert len(found) == 1
    assert rendered == ["m"]


def test_trouble_that_comes_after_the_last_good_cycle_is_shown(daemon: Running) -> None:
    (watched,) = [item for name, item in daemon.daemon._watched.items() if name == "m"]
    assert "cannot be used" not in daemon.get("/models/m")[1]
    watched.cycle.writable = False
    try:
        assert "The state file cannot be used" in daemon.get("/models/m")[1]
    finally:
        watched.cycle.writable = True
    assert "cannot be used" not in daemon.get("/models/m")[1]


def test_a_slow_page_delays_no_other(daemon: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(snapshot: Snapshot, frame: Frame, choice: Choice) -> str:
        if snapshot.model == "a/b":
            begun.set()
            assert go_on.wait(30)
        return page(snapshot, frame, choice)

    monkeypatch.setattr(model_pages, "page", slow)
    pages = ModelPages(daemon.daemon)
    thread = threading.Thread(target=pages.model, args=["a/b", ""])
    thread.start()
    other = threading.Thread(target=pages.model, args=["m", ""])
    try:
        assert begun.wait(30)
        other.start()
        other.join(30)
        assert not other.is_alive()
    finally:
        go_on.set()
        thread.join()


def test_a_model_that_is_taken_away_takes_its_pages_along(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m", "before")
    with running([path], tmp_path / "state") as daemon:
        pages = ModelPages(daemon.daemon)
        daemon.wait_for(lambda _: pages.model("before", "") is not None)
        path.write_text(path.read_text().replace("before", "after"))
        assert daemon.daemon.reload() is None
        daemon.wait_for(lambda _: pages.model("after", "") is not None)
        assert pages.model("before", "") is None
        assert set(pages._rendered) == {"after"}
