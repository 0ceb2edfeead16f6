"""A model's page and report: its pictures show the gauges' figures, whatever names there are."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.daemon.models import load_all
from exporter.measure.exposition import Snapshot
from exporter.measure.gauges import Reason
from exporter.pages import Choice, Frame, as_data, index, page
from exporter.pages.withheld import IN_WORDS
from exporter.statistics.divergences import population_stability_index
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, record, write_lines, write_monitor
from tests.support.paths import ROOT

AT = 1736152800.0  # 2025-01-06T08:40:00Z


class Checked(HTMLParser):
    """Raises where elements do not nest; collects what a page loads and its images' names."""

    _VOID = frozenset(("meta", "br", "img", "input", "link", "hr"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.unnamed: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        if tag not in self._VOID:
            self.open.append(tag)
        self.loaded += [found[name] or "" for name in ("src", "srcset") if name in found]
        if tag in ("script", "link", "iframe", "object"):
            self.loaded.append(tag)
        if tag == "svg" and not found.get("aria-label"):
            self.unnamed.append(str(found))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self._VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


def checked(html: str) -> Checked:
    parser = Checked()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert parser.loaded == []
    assert parser.unnamed == []
    return parser


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its reference."""
    copy = tmp_path_factory.mktemp("pages") / "diabetes"
    shutil.copytree(ROOT / "examples" / "diabetes", copy)
    reference = copy / "references" / "validation.json"
    exporter("baseline", copy / "monitor.yaml", "--data", copy / "reference-data.jsonl", "--out", reference)
    return copy


@pytest.fixture(scope="module")
def snapshot(example: Path) -> Snapshot:
    return measured(example / "monitor.yaml", AT)


def measured(path: Path, at: float) -> Snapshot:
    (model,) = load_all([path])
    cycle = model.open(None)
    snapshot = cycle.run(at=at, final=True)
    cycle.close()
    assert snapshot is not None
    return snapshot


def gauge(data: dict[str, Any], name: str, **labels: str) -> float:
    (found,) = [
        item["value"]
        for item in data["gauges"]
        if item["name"] == name and labels.items() <= item["labels"].items()
    ]
    return float(found)


def test_a_pictures_figures_are_those_of_the_gauges(snapshot: Snapshot) -> None:
    data = as_data(snapshot, Choice())
    of = {"version": data["version"], "window": data["window"], "segment": ""}
    against = {**of, "reference": "validation"}
    assert len(data["features"]) == 11
    for item in data["features"]:
        assert item["distance"] == gauge(data, "ml_feature_psi", feature=item["name"], **against)
        assert item["noise"] == gauge(
            data, "ml_feature_drift_noise_level", feature=item["name"], statistic="psi", **against
        )
        assert item["missing"] == gauge(data, "ml_feature_missing_ratio", feature=item["name"], **of)
        now, then = np.array(item["now"]), np.array(item["then"])
        assert now.sum() == pytest.approx(1)
        psi = population_stability_index(now * item["rows"], then * item["rows_then"])
        assert psi == pytest.approx(item["distance"])
    assert data["prediction"]["distance"] == gauge(data, "ml_prediction_psi", **against)
    outcomes = data["outcomes"]
    false, true = np.array(outcomes["roc"]).T
    assert float(np.trapezoid(true, false)) == pytest.approx(gauge(data, "ml_model_auc_roc", **of), abs=1e-9)
    assert outcomes["coverage"] == gauge(data, "ml_label_coverage_ratio", **of)
    assert outcomes["delays"]["0.5"] == gauge(data, "ml_label_delay_seconds", quantile="0.5", **of)
    for row, actual in zip(outcomes["confusion"], "01", strict=True):
        for share, predicted in zip(row, "01", strict=True):
            assert share == pytest.approx(
                gauge(data, "ml_model_confusion_ratio", actual=actual, predicted=predicted, **of)
            )
    rows = [item["rows"] for item in outcomes["calibration"]]
    gaps = [abs(item["score"] - item["observed"]) for item in outcomes["calibration"]]
    assert np.average(gaps, weights=rows) == pytest.approx(gauge(data, "ml_calibration_error", **of))
    for item in outcomes["calibration"]:
        assert 0 <= item["low"] <= item["observed"] <= item["high"] <= 1


def test_the_most_drifted_comes_first(snapshot: Snapshot) -> None:
    html = page(snapshot, Frame("monitor.yaml"), Choice())
    checked(html)
    names = re.findall(r"<figcaption><b>([^<]*)</b>", html)
    data = as_data(snapshot, Choice())
    assert names[-11:] == [item["name"] for item in data["features"]]
    drifted = {item["name"] for item in data["features"] if item["drifted"]}
    assert drifted == set(names[-11 : -11 + len(drifted)])
    assert "glucose" in drifted
    assert "age" not in drifted


def test_what_is_chosen_is_shown(snapshot: Snapshot) -> None:
    chosen = as_data(snapshot, Choice("1.1.0", "2h", "validation"))
    assert (chosen["version"], chosen["window"]) == ("1.1.0", "2h")
    other = as_data(snapshot, Choice("none", "none", "none"))
    assert other["version"] in {item.version for item in snapshot.windows}
    html = page(snapshot, Frame("monitor.yaml"), Choice())
    assert 'aria-current="true">30m</a>' in html
    assert "window=2h" in html


def test_a_segment_is_drawn_against_its_own_rows(snapshot: Snapshot, example: Path) -> None:
    before = [json.loads(line) for line in (example / "reference-data.jsonl").read_text().splitlines()]
    patients = {sex: [item["features"] for item in before if item["features"]["sex"] == sex] for sex in "12"}
    everybody = as_data(snapshot, Choice())
    for sex, mine in patients.items():
        choice = Choice(segment=f"features.sex={sex}")
        data = as_data(snapshot, choice)
        assert data["segment"] == f"features.sex={sex}"
        assert data["rows"] < everybody["rows"]
        drawn = {item["name"]: item for item in data["features"]}
        assert drawn["sex"]["rows_then"] == len(mine)
        assert dict(zip(drawn["sex"]["bins"], drawn["sex"]["then"], strict=True))[sex] == 1
        ages = np.array([item["age"] for item in mine])
        edges = np.quantile([item["features"]["age"] for item in before], np.arange(1, 10) / 10)
        counts = np.bincount(np.searchsorted(edges, ages, side="left"), minlength=10)
        assert drawn["age"]["then"] == pytest.approx(counts / len(ages), abs=1e-12)
        of = {"version": data["version"], "window": data["window"], "segment_value": sex}
        assert data["prediction"]["distance"] == gauge(data, "ml_prediction_psi", **of)
        html = page(snapshot, Frame("monitor.yaml"), choice)
        checked(html)
        assert f"predictions of features.sex={sex} of version" in html
        assert "the same segment in the reference validation" in html
        assert f'aria-current="true">features.sex={sex}</a>' in html
    unknown = as_data(snapshot, Choice(segment="features.sex=9"))
    assert (unknown["segment"], unknown["rows"]) == ("", everybody["rows"])


def test_a_segment_without_rows_in_the_reference_is_not_compared(example: Path, tmp_path: Path) -> None:
    copy = tmp_path / "diabetes"
    shutil.copytree(example, copy)
    monitored = copy / "monitor.yaml"
    text = monitored.read_text()
    monitored.write_text(text.replace("segments: [features.sex]", "segments: []"))
    data = copy / "reference-data.jsonl"
    exporter("baseline", monitored, "--data", data, "--out", copy / "references" / "validation.json")
    monitored.write_text(text)
    choice = Choice(segment="features.sex=1")
    found = measured(monitored, AT)
    assert as_data(found, choice)["features"] == []
    assert as_data(found, Choice())["features"]
    html = page(found, Frame("monitor.yaml"), choice)
    checked(html)
    assert IN_WORDS[Reason.SEGMENT_NOT_IN_REFERENCE] in html


def test_every_reason_is_said_in_words() -> None:
    assert set(IN_WORDS) == set(Reason)


HOSTILE = [
    "<script>alert(1)</script>",
    "\"quoted'",
    "שלום עולם",
    "a" * 120,
    "100 %b {{ 7 * 7 }}",
    "emoji 😀 & co.",
]


def test_hostile_names_are_text(tmp_path: Path) -> None:
    lines = [
        record(
            number,
            at=number,
            version=HOSTILE[0],
            features={name: HOSTILE[number % 6] if name == HOSTILE[1] else number % 7 for name in HOSTILE},
        )
        for number in range(300)
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", lines)
    write_lines(tmp_path / "data.jsonl", lines)
    path = write_monitor(
        tmp_path,
        monitor(
            labels=None, minSamples=10, windows=["1h"],
            segments=None, references={HOSTILE[2]: {"static": "reference.json"}},
        ),
    )  # fmt: skip
    exporter("baseline", path, "--data", tmp_path / "data.jsonl", "--out", tmp_path / "reference.json")
    found = measured(path, EPOCH + 3600)
    html = page(found, Frame("<monitor>.yaml"), Choice())
    assert "script" not in checked(html).tags
    assert "&lt;script&gt;alert(1)" in html
    assert "49" not in re.findall(r"<b>([^<]*)</b>", html)
    assert (
        "script"
        not in checked(
            index([("<script>", Frame("<f>", trouble=["<full>"]), found), ("b", Frame("c"), None)])
        ).tags
    )


@pytest.mark.slow
def test_a_wide_model_shows_what_drifted_most(tmp_path: Path) -> None:
    """Of 300 features the page has the 120 furthest above their noise, and says how many it leaves out."""
    names = [f"f{number}" for number in range(300)]

    def rows(shift: float) -> list[dict[str, Any]]:
        rng = np.random.default_rng(5)
        values = rng.normal(size=(400, 300))
        values[:, 7] += shift
        return [
            record(number, at=number, features=dict(zip(names, row, strict=True)))
            for number, row in enumerate(values.tolist())
        ]

    write_lines(tmp_path / "logs/predictions.jsonl", rows(3.0))
    write_lines(tmp_path / "data.jsonl", rows(0.0))
    path = write_monitor(
        tmp_path, monitor(labels=None, references={"training": {"static": "reference.json"}})
    )
    exporter("baseline", path, "--data", tmp_path / "data.jsonl", "--out", tmp_path / "reference.json")
    data = as_data(measured(path, EPOCH + 3600), Choice())
    assert data["features"][0]["name"] == "f7"
    assert len(data["features"]) == 120
    assert data["others"] == 180


def test_the_bin_below_a_frequent_zero_has_a_name(tmp_path: Path) -> None:
    rows = [record(number, at=number, features={"count": max(number % 7 - 3, 0)}) for number in range(300)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    references = {"training": {"static": "training.json"}}
    path = write_monitor(
        tmp_path, monitor(labels=None, features={"count": {"type": "numeric"}}, references=references)
    )
    exporter(
        "baseline", path, "--data", tmp_path / "logs/predictions.jsonl", "--out", tmp_path / "training.json"
    )
    text = page(measured(path, EPOCH + 300), Frame("monitor.yaml"), Choice())
    assert "up to 0" in text
    assert "e-324" not in text


def test_files_that_are_wrong_are_told_of_on_the_first_page(snapshot: Snapshot) -> None:
    html = index([("diabetes", Frame("monitor.yaml"), snapshot)], "monitor.yaml:3:1: <nonsense>")
    assert "monitor.yaml:3:1: &lt;nonsense&gt;" in html
    assert "are wrong" not in index([("diabetes", Frame("monitor.yaml"), snapshot)])


def test_the_report_is_one_file(example: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    exporter("report", example / "monitor.yaml", "--out", out, "--at", "2025-01-06T08:40:00Z")
    html = out.read_text(encoding="utf-8")
    checked(html)
    assert "href=" not in html
    assert "from 2025-01-06 08:10:00 UTC to 2025-01-06 08:40:00 UTC" in html
    assert re.search(r"ml_model_auc_roc</th><td>0\.\d+</td>", html)
    exporter(
        "report",
        example / "monitor.yaml",
        "--out",
        tmp_path / "r.json",
        "--at",
        "2025-01-06T08:40:00Z",
        "--window",
        "2h",
    )
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["window"] == "2h"
    assert (data["from"], data["to"]) == (AT - 7200, AT)
    assert gauge(data, "ml_sink_up", sink="predictions") == 1


def test_a_report_of_a_log_that_cannot_be_read_is_written_and_wrong(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(labels=None))
    out = tmp_path / "report.html"
    done = CliRunner().invoke(main, ["report", str(path), "--out", str(out)])
    assert done.exit_code == 1
    assert ">cannot be read<" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "report.pdf"], "--out report.pdf: expected a name that ends in .html or .json\n"),
        (["--out", "r.html", "--window", "3h"], "--window 3h: there is no such one; expected 30m or 2h\n"),
        (
            ["--out", "r.html", "--reference", "x"],
            "--reference x: there is no such one; expected validation\n",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str], message: str, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["report", str(example / "monitor.yaml"), *arguments])
    assert done.exit_code == 2
    assert done.stderr.endswith(message)
    assert list(tmp_path.iterdir()) == []
