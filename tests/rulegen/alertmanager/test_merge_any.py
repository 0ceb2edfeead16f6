"""generate --base: however a base is written, and whatever is in it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rulegen import alertmanager
from tests.rulegen.alertmanager.test_configuration import amtool, documents
from tests.support.bases import merged, routed, without_marked


@pytest.mark.parametrize(
    "base",
    [
        "route:\n  receiver: a\nreceivers:\n  - name: a",
        "route: {receiver: a}\nreceivers: [{name: a}]\n...\n",
        "---\nroute:\n  receiver: a # trailing\n  routes: []  # none yet\nreceivers:\n- name: a\ntemplates: ~\n",
        '{"route": {"receiver": "a", "routes": []}, "receivers": [{"name": "a"}]}',
        "\ufeffroute:\r\n  receiver: a\r\nreceivers:\r\n  - name: a\r\n",
        "  route:\n    receiver: a\n  receivers:\n    - name: a\n",
        "route:\n  receiver: a\nreceivers: [{name: a, slack_configs: [{api_url: 'http://x/', "
        'text: "a\\n\\tb", send_resolved: no}]}]\n',
    ],
)
def test_however_the_base_is_written_its_data_are_the_same_and_again_gives_the_same(
    base: str, tmp_path: Path
) -> None:
    result = merged(base, tmp_path)
    assert merged(result, tmp_path) == result
    rest = yaml.safe_load(without_marked(result).lstrip("\ufeff"))
    before = yaml.safe_load(base.lstrip("\ufeff"))
    assert {key: value for key, value in rest.items() if value} == {
        key: value for key, value in before.items() if value
    } or (
        rest["route"].pop("routes", None) is None
        and before["route"].pop("routes", []) == []
        and rest == before
    )
    assert ("\r\n" in result) == ("\r\n" in base)
    assert result.count("\n") == result.count("\r\n") or "\r\n" not in base
    (tmp_path / "alertmanager.yaml").write_bytes(result.encode())
    for name, text in alertmanager.templates().items():
        (tmp_path / name).write_text(text)
    amtool("check-config", str(tmp_path / "alertmanager.yaml"))


WORDS = st.sampled_from(["alpha", "beta", "gamma", "no", "1e3", "09:00", "a b", "ö"])


@st.composite
def bases(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An alertmanager.yaml of somebody else, however it is laid out, and its data."""
    names = draw(st.lists(WORDS.map(lambda word: f"theirs-{word}"), min_size=1, max_size=3, unique=True))
    receiver = st.sampled_from(names)

    def route(depth: int) -> Any:
        leaf = st.fixed_dictionaries(
            {
                "receiver": receiver,
                "matchers": st.lists(WORDS.map(lambda word: f'label="{word}"'), max_size=2),
            },
            optional={"continue": st.booleans(), "group_by": st.just(["alertname"])},
        )
        if not depth:
            return leaf
        return st.builds(
            lambda own, inner: {**own, "routes": inner}, leaf, st.lists(route(depth - 1), max_size=2)
        )

    data: dict[str, Any] = {"route": {"receiver": names[0]}, "receivers": [{"name": name} for name in names]}
    if draw(st.booleans()):
        data["route"]["routes"] = draw(st.lists(route(1), max_size=3))
    if draw(st.booleans()):
        data["time_intervals"] = [{"name": "theirs", "time_intervals": [{"weekdays": ["monday"]}]}]
    if draw(st.booleans()):
        data["inhibit_rules"] = [{"source_matchers": ['a="b"'], "target_matchers": ['a="c"'], "equal": ["d"]}]
    data = {key: data[key] for key in draw(st.permutations(list(data)))}
    flow = draw(st.sampled_from([False, None, True]))
    text = yaml.safe_dump(
        data,
        default_flow_style=flow,
        indent=draw(st.sampled_from([2, 3, 4])),
        sort_keys=False,
        allow_unicode=True,
    )
    if not flow and draw(st.booleans()):
        text = "".join(
            f"{line}  # theirs\n" if index % 3 == 0 else f"{line}\n"
            for index, line in enumerate(text.splitlines())
        )
    return text, data


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=bases(), first=documents(), second=documents(), data=st.data())
def test_any_base_keeps_its_data_its_routes_and_loses_what_we_drop(
    base: tuple[str, dict[str, Any]],
    first: dict[str, Any],
    second: dict[str, Any],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    text, before = base
    result = merged(text, folder, first)
    assert merged(result, folder, first) == result
    if not re.search(r"[\[{]", text):
        assert without_marked(result) == text
    again = merged(merged(result, folder, second), folder, first)
    assert again == result
    for key in ("route", "receivers", "time_intervals", "inhibit_rules"):
        after = yaml.safe_load(result).get(key)
        if key == "route":
            routes = after.pop("routes")
            assert routes[1:] == before["route"].get("routes", [])
            assert after == {name: value for name, value in before["route"].items() if name != "routes"}
        else:
            kept = before.get(key, [])
            assert (after or [])[len(after or []) - len(kept) :] == kept
    (folder / "before.yaml").write_text(text)
    (folder / "after.yaml").write_text(result.replace("- mlslo-", f"- {folder}/mlslo-"))
    labels = data.draw(
        st.lists(
            WORDS.map(lambda word: f"label={json.dumps(word, ensure_ascii=False)}"), min_size=1, max_size=1
        )
    )
    assert routed(folder / "after.yaml", labels) == routed(folder / "before.yaml", labels)
    tier = sorted(first["spec"]["tiers"])[0]
    mine = [f"tier={tier}", "slo=any", "layer=service", *labels]
    assert routed(folder / "after.yaml", mine) == ",".join(first["spec"]["tiers"][tier]["receivers"])
