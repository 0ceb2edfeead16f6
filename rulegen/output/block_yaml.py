"""Data as block YAML, by LibYAML where PyYAML has it."""

from __future__ import annotations

from typing import Any

import yaml

_Emitter: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class OneLine(dict[str, Any]):
    """A mapping that is written in one line: ``{model: fraud, slo: auc}``."""


class OneLineList(list[Any]):
    """A list that is written in one line: ``[{value: 1}]``."""


class _Dumper(_Emitter):  # type: ignore[misc]
    """Plain block YAML: no aliases, and text of several lines as it reads."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's interface
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_one_line(dumper: yaml.SafeDumper, value: OneLine | OneLineList) -> yaml.Node:
    if isinstance(value, OneLine):
        return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(OneLine, _represent_one_line)
_Dumper.add_representer(OneLineList, _represent_one_line)


def dump(data: Any) -> str:
    """``data`` as one YAML document: mappings, lists, texts, numbers, booleans, None.

    Raises yaml.YAMLError for anything else.
    """
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000))
