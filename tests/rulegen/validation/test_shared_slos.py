"""SLOs that files write alike are read and checked once, and what is wrong is said of each file all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import fleet
from mlslo.yamlfile import InputError, read
from rulegen.spec import model_slo
from rulegen.validation import specs
from rulegen.validation.sharedslos import SharedSlos
from tests.support import paths

ROUTING = paths.ROUTING.read_text()
SPEC = """\
apiVersion: mlslo/v1
kind: ModelSLO
metadata: {{name: {name}, labels: {labels}}}
spec:
  model: {name}
  slos:
    - {{name: availability, layer: service, objective: 99.9, timeWindow: 30d, sli: {{errors: {{}}}}}}
    - name: queue
      layer: service
      sli: {{promql: {{query: "max by (model, lane) (queue_age)", labels: [lane]}}}}
      alerts: [{{name: QueueOld, tier: P2, when: {{above: {above}}}, for: 10m}}]
"""


def write(folder: Path, name: str, labels: str = "{}", above: str = "3") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(SPEC.format(name=name, labels=labels, above=above))
    return path


def refusal(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        specs.load([folder])
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_each_file_says_what_it_says_alone(tmp_path: Path) -> None:
    fleet.write(tmp_path, 20)
    # What Python takes for equal is not what was written.
    for name, above in (("whole", "1"), ("decimal", "1.0"), ("other", "2")):
        write(tmp_path, name, above=above)
    shared = SharedSlos()
    for path in sorted(tmp_path.glob("*.yaml")):
        document = read(path)
        if document.data["kind"] == "ModelSLO":
            own, alone = shared.from_document(document).file, model_slo.from_document(document).file
            assert own == alone
            assert repr(own) == repr(alone)


def test_slos_that_are_alike_are_one(tmp_path: Path) -> None:
    shared = SharedSlos()
    one, two = (shared.from_document(read(write(tmp_path, name))) for name in ("one", "two"))
    other = shared.from_document(read(write(tmp_path, "other", above="4")))
    assert all(a is b for a, b in zip(one.spec.slos, two.spec.slos, strict=True))
    assert [a is b for a, b in zip(one.spec.slos, other.spec.slos, strict=True)] == [True, False]


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids=["first", "last"])
def test_what_is_wrong_with_the_shape_is_placed_in_its_own_file(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    right, wrong = names
    write(tmp_path, right)
    write(tmp_path, wrong, above="high")
    assert refusal(tmp_path) == [f"{wrong}.yaml:11:57: expected a number, got 'high'"]


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids=["first", "last"])
def test_what_is_wrong_beside_the_labels_of_one_file_only(tmp_path: Path, names: tuple[str, str]) -> None:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    right, wrong = names
    write(tmp_path, right)
    write(tmp_path, wrong, labels="{lane: fast}")
    message = "metadata.labels sets the label 'lane', it cannot tell series apart"
    assert refusal(tmp_path) == [f"{wrong}.yaml:10:74: {message}"]


def test_what_is_wrong_in_all_is_said_of_all(tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text(ROUTING.replace("P2:", "P7:"))
    for name in ("a", "b"):
        write(tmp_path, name)
    assert {line.split(":")[0] for line in refusal(tmp_path)} >= {"a.yaml", "b.yaml"}


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    path = write(tmp_path, "one")
    (tmp_path / "link.yaml").symlink_to(path)
    loaded = specs.load([tmp_path, path, tmp_path / "." / "one.yaml"])
    assert [model.name for model in loaded.models] == ["one"]


def test_a_link_to_itself_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    with pytest.raises(InputError, match=r"loop\.yaml: cannot be read: Too many levels of symbolic links"):
        specs.load([tmp_path / "loop.yaml"])
