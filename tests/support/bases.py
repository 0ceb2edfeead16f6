"""An alertmanager.yaml that others keep, and our part put into it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlslo.yamlfile import InputError, read
from rulegen import alertmanager
from rulegen.alertmanager import merge
from rulegen.cli import main
from rulegen.spec import routing
from tests.rulegen.alertmanager.test_configuration import CONTRACT, IDENTITIES, amtool

BASE = """\
# Our company's alerting.
global:
  resolve_timeout: 5m     # as ever

route:
  # the default
  receiver: default
  group_by: [alertname]
  routes:
    # the database team
    - receiver: dba
      matchers: [ team="dba" ]
      continue: yes
    - receiver: night
      match: {severity: page}
      mute_time_intervals: [weekend]

inhibit_rules:
- source_matchers: [severity="critical"]   # indented as their key
  target_matchers: [severity="warning"]
  equal: [alertname, cluster]
receivers:
    - name: default
    - name: dba
      webhook_configs: [{url: "http://127.0.0.1:1/", send_resolved: no}]
    - name: night
mute_time_intervals:
  - name: weekend
    time_intervals:
      - weekdays: ['saturday', 'sunday']
# the end
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def ours(document: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    path = CONTRACT
    if document is not None:
        path = folder / "routing.json"
        path.write_text(json.dumps(document, ensure_ascii=False))
    loaded = routing.from_document(read(path))
    return {
        **alertmanager.build(loaded, IDENTITIES),
        "route": alertmanager.guarded_route(loaded.spec, IDENTITIES),
    }


def merged(base: str, folder: Path, document: dict[str, Any] | None = None) -> str:
    path = folder / "base.yaml"
    path.write_bytes(base.encode())
    read_base = merge.Base.read(path)
    return read_base.merged(merge.check(read_base, ours(document, folder)), "AlertRouting default")


def refused(base: str, folder: Path, document: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        merged(base, folder, document)
    return [str(problem).partition("base.yaml:")[2] for problem in caught.value.problems]


def without_marked(text: str) -> str:
    """A plain reading of what the marks mean."""
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = inside or line.lstrip().startswith("# BEGIN mlslo-rulegen")
        if not inside:
            kept.append(line)
        inside = inside and not line.lstrip().startswith("# END mlslo-rulegen")
    return "".join(kept)


def routed(configuration: Path, labels: list[str]) -> str:
    return amtool("config", "routes", "test", f"--config.file={configuration}", *labels).removesuffix("\n")
