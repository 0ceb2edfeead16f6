"""Add list items to the text of a YAML file, every other byte of which stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from rulegen.output import block_yaml

Path = tuple[str, ...]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class AliasError(Exception):
    """The list at ``path`` stands elsewhere in the file: adding to it would change both."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True)
class _Insertion:
    """``body`` in front of line ``line``, which counts from 0, ``column`` spaces to the right."""

    line: int
    column: int
    body: str


class Text:
    """The text of one YAML mapping. What is added to it stands between the lines ``begin`` and ``end``."""

    def __init__(self, content: str, begin: str, end: str) -> None:
        self.content = content
        self._marks = (begin, end)
        self._newline = "\r\n" if "\r\n" in content else "\n"

    def prepend(self, added: Mapping[Path, Sequence[Any]]) -> None:
        """Put items in front of lists, each named by its path, whose parent is there. Raises AliasError."""
        if not self.content.endswith(("\n", "\r")):
            self.content += self._newline
        for path in added:
            self._open(path)
        root = self._root()
        insertions = [self._insertion(root, path, list(items)) for path, items in added.items()]
        lines = self.content.splitlines(keepends=True)
        at: dict[int, list[str]] = {}
        for one in insertions:
            at.setdefault(one.line, []).extend(self._marked(one))
        self.content = "".join(
            part
            for number in range(len(lines) + 1)
            for part in (*at.get(number, []), *lines[number : number + 1])
        )

    def _insertion(self, root: Any, path: Path, items: list[Any]) -> _Insertion:
        key, value = _entry(root, path)
        if key is None and any(_entry(root, (*path[:length], "<<"))[0] for length in range(len(path))):
            # A list that is merged would be replaced by ours.
            raise AliasError(path)
        if key is not None:
            # A list of a mapping may stand as far left as its key.
            column = (
                value.start_mark.column if isinstance(value, yaml.SequenceNode) else key.start_mark.column + 2
            )
            return _Insertion(key.end_mark.line + 1, column, block_yaml.dump(items))
        body = block_yaml.dump({path[-1]: items})
        if len(path) > 1:
            above, parent = _entry(root, path[:-1])
            return _Insertion(above.end_mark.line + 1, parent.start_mark.column, body)
        return _Insertion(self._end(), root.start_mark.column, body)

    def _end(self) -> int:
        lines = self.content.splitlines()
        last = len(lines)
        while last and (not lines[last - 1].strip() or lines[last - 1].startswith("...")):
            last -= 1
        return last

    def _marked(self, one: _Insertion) -> list[str]:
        begin, end = self._marks
        indent = " " * one.column
        return [
            f"{indent}{text}{self._newline}" if text else self._newline
            for text in (begin, *one.body.splitlines(), end)
        ]

    def _open(self, path: Path) -> None:
        """Write what is in brackets or empty on the way to ``path`` as a block: nothing can be put between."""
        root = self._root()
        if root.flow_style:
            self._replace(root, self._block(root, 0).removeprefix(self._newline))
        for length in range(1, len(path) + 1):
            key, value = _entry(self._root(), path[:length])
            if key is None:
                return
            if value.start_mark.index < key.end_mark.index:
                raise AliasError(path[:length])
            empty = isinstance(value, yaml.ScalarNode) or not value.value
            if empty and value.end_mark.index > value.start_mark.index:
                self._replace(value, "")
            elif not empty and value.flow_style:
                self._replace(value, self._block(value, key.start_mark.column + 2))

    def _block(self, node: yaml.Node, column: int) -> str:
        """``node`` as a block that begins on a new line; its scalars as they were written."""
        text = yaml.serialize(_unfolded(node), Dumper=yaml.SafeDumper, allow_unicode=True, width=1_000_000)
        return self._newline + self._newline.join(f"{' ' * column}{line}" for line in text.splitlines())

    def _replace(self, node: yaml.Node, text: str) -> None:
        before = self.content[: node.start_mark.index].rstrip(" ")
        self.content = before + text + self.content[node.end_mark.index :]

    def _root(self) -> Any:
        return yaml.compose(self.content, Loader=_LOADER)


def _entry(node: Any, path: Path) -> tuple[Any, Any]:
    """The nodes of the key and the value at ``path``; None where they are not there."""
    found: tuple[Any, Any] = (None, node)
    for part in path:
        found = next(((key, value) for key, value in found[1].value if key.value == part), (None, None))
    return found


def _unfolded(node: yaml.Node) -> yaml.Node:
    """``node`` without brackets and anchors, whatever is inside of it."""
    if isinstance(node, yaml.ScalarNode):
        return yaml.ScalarNode(node.tag, node.value, style=node.style)
    if isinstance(node, yaml.SequenceNode):
        return yaml.SequenceNode(node.tag, [_unfolded(child) for child in node.value], flow_style=False)
    pairs = [(_unfolded(key), _unfolded(value)) for key, value in node.value]
    return yaml.MappingNode(node.tag, pairs, flow_style=False)
