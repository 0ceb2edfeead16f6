"""Users' templates are refused exactly where Alertmanager would fail to send with them."""

# ruff: noqa: E501 - one line a text

import json
import subprocess
from pathlib import Path

import pytest

from mlslo.yamlfile import InputError, read
from rulegen import alertmanager
from rulegen.spec import routing
from rulegen.spec.templates import mistakes
from tests.rulegen.alertmanager.test_templates import a_group, an_alert
from tests.rulegen.spec.test_integrations import version
from tests.support.paths import TESTS
from tests.support.tools import tool

CONTRACT = TESTS / "contract" / "routing.yaml"
GOOD = [
    "no template at all",
    "{{ .Status | toUpper }}",
    "{{ .CommonLabels.anything }} and {{ .CommonAnnotations.more | title }}",
    "{{- /* a comment */ -}}{{/* another */}}",
    "{{ range .Alerts }}{{ .Labels.alertname }}: {{ .Annotations.summary }}\n{{ end }}",
    "{{ range $index, $alert := .Alerts.Firing }}{{ if $index }}, {{ end }}{{ $alert.Labels.model }}{{ else }}none{{ end }}",
    "{{ range .Alerts }}{{ $.CommonLabels.model }} since {{ .StartsAt.Format \"15:04\" }}{{ end }}",
    "{{ range .Alerts }}{{ (.EndsAt.Sub .StartsAt).Round 1000000000 }} {{ .StartsAt.UTC.Year }}{{ end }}",
    "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}",
    "{{ range $name, $value := .CommonLabels }}{{ $name }}={{ $value | printf \"%q\" }}{{ end }}",
    '{{ with .CommonLabels.team }}{{ . }}{{ else }}nobody{{ end }}',
    '{{ if and (eq .Status "firing") (gt (len .Alerts) 1) }}{{ len .Alerts.Firing }}{{ else if eq .Status "x" }}y{{ end }}',
    '{{ .GroupLabels.SortedPairs.Values | join " " }}',
    '{{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join "," }}{{ end }}',
    '{{ (index .Alerts 0).Labels.model }}{{ (index (or .Alerts.Firing .Alerts.Resolved) 0).Fingerprint }}',
    '{{ reReplaceAll "a(.)" "$1" .CommonLabels.model }}{{ match "^P[12]$" .CommonLabels.tier }}',
    "{{ match `\\d+` .CommonLabels.version }}{{ `raw }} text` }}",
    '{{ $a := "" }}{{ range .Alerts }}{{ if $a }}{{ $a.Status }}{{ end }}{{ $a = . }}{{ end }}',
    '{{ $all := .CommonLabels }}{{ $all.model | urlquery }}{{ printf "%s %d" .Receiver (len .Alerts) | html }}',
    '{{ template "mlslo.title" . }} {{ template "mlslo.list" .Alerts.Firing }}',
    '{{ template "slack.default.title" . }}{{ template "__text_alert_list" .Alerts }}',
    '{{ range .Alerts }}{{ template "mlslo.facts" . }}{{ template "slack.default.text" }}{{ end }}',
    '{{ define "mine" }}{{ .Labels.model }}{{ end }}{{ range .Alerts }}{{ template "mine" . }}{{ end }}',
    '{{ define "deep" }}{{ with . }}{{ template "leaf" .Status }}{{ end }}{{ end }}{{ define "leaf" }}{{ . }}{{ end }}'
    '{{ template "deep" . }}',
    '{{ block "mine" .CommonLabels }}{{ .model }}{{ end }}',
    '{{ index .CommonLabels "a-b" }}{{ slice .CommonLabels.model 0 1 }}{{ not true }}{{ eq 1 2 1 }}',
    '{{ stringSlice "a" "b" | join "-" }}{{ print nil 1 "x" }}{{ len "x" | printf "%03d" }}',
    '{{ range .Alerts }}{{ break }}{{ end }}{{ range .Alerts }}{{ continue }}{{ end }}',
    "{{ if not .CommonLabels.x }}x{{ end }}{{ .Status | }}",
    '{{\n  range .Alerts\n}}{{ .GeneratorURL }}{{\nend }}',
]  # fmt: skip
# Text with § where the mistake stands, and what is said.
BAD = [
    ('{{ §template "nope" . }}', "no template 'nope', expected one of"),
    ('{{ §template "mlslo.titel" . }}', "no template 'mlslo.titel'; did you mean 'mlslo.title'?"),
    ("{{ §.Nope }}", "the group has no '.Nope', expected one of Alerts, CommonAnnotations"),
    ("a §{{ .Nope", "'{{' without its '}}'"),
    ("{{ .Status | §toUper }}", "no function 'toUper'; did you mean 'toUpper'?"),
    ("{{ .Status | §| toUpper }}", "missing value before"),
    ("{{ §| toUpper }}", "missing value before"),
    ("{{ §}}", "missing value before"),
    ("{{ if §}}x{{ end }}", "missing value before"),
    ("{{ §if .Status }}x", "no {{ end }} to it"),
    ("x{{ §end }}", "unexpected {{ end }}"),
    ("{{ if .Status }}{{ else }}{{ §else }}{{ end }}", "unexpected {{ else }}"),
    ("{{ §break }}", "unexpected {{ break }}"),
    ("{{ range .Alerts }}{{ §.CommonLabels.model }}{{ end }}", "an alert has no '.CommonLabels', expected one of"),
    ("{{ range .Alerts }}{{ .Labels.model§.x }}{{ end }}", "text has no '.x'"),
    ("{{ .Alerts§.Fireing }}", "the alerts has no '.Fireing', expected one of Firing, Resolved; did you mean 'Firing'?"),
    ("{{ .Alerts.Firing§.Labels }}", "alerts has no '.Labels'"),
    ("{{ .Status§.Foo }}", "text has no '.Foo'"),
    ("{{ §range . }}x{{ end }}", "cannot range over the group"),
    ("{{ .Alerts | §toUpper }}", "'toUpper' needs text here, got the alerts"),
    ("{{ §toUpper }}", "'toUpper' needs 1 argument, got 0"),
    ('{{ §toUpper "a" "b" }}', "'toUpper' needs 1 argument, got 2"),
    ('{{ §printf }}', "'printf' needs at least 1 argument, got 0"),
    ('{{ join §.CommonLabels.Values " " }}', "'join' needs text here, got texts"),
    ('{{ §.Status "x" }}', "'.Status' is no function and takes no argument"),
    ('{{ "x" | §.Status }}', "'.Status' is no function and takes no argument"),
    ('{{ .Status | §"x" }}', "'\"x\"' cannot stand after '|', which needs a function"),
    ("{{ §$nope }}", "undefined variable '$nope'"),
    ("{{ if true }}{{ $a := 1 }}{{ end }}{{ §$a }}", "undefined variable '$a'"),
    ("{{ .CommonLabels.a§-b }}", "unexpected '-'"),
    ("{{ .Status §! }}", "unexpected '!'"),
    ('{{ match §"\\d" .Status }}', "a quoted text without its end, or with an unknown escape"),
    ("{{ print §'xy' }}", "a quoted text without its end"),
    ("{{ (.Status §}}", "unexpected '}}'"),
    ("{{ .Status §) }}", "unexpected ')'"),
    ("{{ range .Alerts }}{{ §.StartsAt.Format }}{{ end }}", "expected 1 argument for it, got 0"),
    ("{{ range .Alerts }}{{ .StartsAt§.Formt }}{{ end }}", "a time has no '.Formt'"),
    ('{{ range .Alerts }}{{ §template "mlslo.text" . }}{{ end }}', "template 'mlslo.text', given an alert: an alert has no '.Alerts'"),
    ('{{ range .Alerts }}{{ §template "slack.default.title" . }}{{ end }}', "template 'slack.default.title' needs the group, it is given an alert"),
    ('{{ §template "mlslo.title" }}', "template 'mlslo.title', given nothing: nothing has no '.Alerts'"),
    ('{{ define "mine" }}{{ .Labels.x }}{{ end }}{{ §template "mine" . }}', "template 'mine', given the group: the group has no '.Labels'"),
    ('{{ if .Status }}{{ §define "x" }}{{ end }}{{ end }}', "unexpected {{ define }}"),
    ("{{ template §nope . }}", "expected the name of a template in quotes"),
    ("{{ .Alerts | §len . }}", "'len' needs 1 argument, got 2"),
    ("{{ §/* open }}", "a comment stands alone"),
    ('{{ §trimSpace .Status }}', "'trimSpace' in a template needs Alertmanager 0.26, target.alertmanager is 0.25"),
    ('{{ .CommonLabels.Values§.Join " " }}', "'.Join' of texts needs Alertmanager 0.34"),
    ('{{ §template "msteams.default.title" . }}', "template 'msteams.default.title' needs Alertmanager 0.26"),
]  # fmt: skip


def renders(text: str, folder: Path) -> bool:
    """Whether Alertmanager can send the text about one alert that fires and one that is over."""
    for name, template in alertmanager.templates().items():
        (folder / name).write_text(template)
    # Debian's amtool reads Alertmanager's own from a folder that only an installed package has.
    for defaults in tool("amtool").parents[1].glob("debian/usr/share/prometheus/alertmanager/*.tmpl"):
        (folder / defaults.name).write_bytes(defaults.read_bytes())
    data = folder / "data.json"
    group = a_group(an_alert(version="7"), an_alert("resolved"))
    group["groupLabels"] = {"model": "fraud"}
    data.write_text(json.dumps(group))
    command = [
        str(tool("amtool")), "template", "render", f"--template.glob={folder}/*.tmpl", f"--template.text={text}",
        f"--template.data={data}",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("text", GOOD, ids=lambda text: text[:40])
def test_a_good_template_is_taken(text: str, tmp_path: Path) -> None:
    assert list(mistakes(text, version())) == []
    assert renders(text, tmp_path)


@pytest.mark.parametrize(("marked", "said"), BAD, ids=lambda text: text[:40])
def test_a_bad_template_is_refused_with_its_place(marked: str, said: str, tmp_path: Path) -> None:
    text = marked.replace("§", "")
    ((offset, message),) = mistakes(text, "0.25")
    assert message.startswith(f"broken template: {said}")
    assert offset == marked.index("§")
    assert version() != "0.25.0" or not renders(text, tmp_path)


def complaints(receivers: str, folder: Path, more: str = "") -> list[str]:
    text = CONTRACT.read_text()
    begin, end = text.index("    dead-mans-switch:\n"), text.index("  timeIntervals:")
    path = folder / "routing.yaml"
    path.write_text(f"{text[:begin]}    dead-mans-switch:\n      {receivers}\n{more}{text[end:]}")
    try:
        routing.from_document(read(path))
    except InputError as error:
        return [f"{problem.line}:{problem.column}: {problem.message}" for problem in error.problems]
    return []


URL = 'url: "http://h/{{ .Nope }}"'


@pytest.mark.parametrize(
    ("receivers", "place"),
    [
        ("slack_configs: [{api_url_file: /f, text: §'{{ .Nope }}'}]", 3),
        ('slack_configs: [{api_url_file: /f, text: §"line\\n{{ .Nope }}"}]', 9),
        ("slack_configs: [{api_url_file: /f, fields: [{title: x, value: §'{{ .Nope }}'}]}]", 3),
        ("email_configs: [{to: a, from: b, smarthost: 'm:25', headers: {X-A: §'{{ .Nope }}'}}]", 3),
        ("pagerduty_configs: [{routing_key_file: /f, details: {a: §'{{ .Nope }}'}}]", 3),
        ("pagerduty_configs: [{routing_key_file: /f, links: [{href: 'http://h', text: §'{{ .Nope }}'}]}]", 3),
    ],
)
def test_a_mistake_stands_where_it_is_in_the_file(receivers: str, place: int, tmp_path: Path) -> None:
    column = receivers.index("§") + 6 + 1 + place + 1
    (said,) = complaints(receivers.replace("§", ""), tmp_path)
    assert said.partition(": ")[0].split(":")[1] == str(column)
    assert ": broken template: the group has no '.Nope'" in said


def test_what_alertmanager_does_not_expand_is_no_template(tmp_path: Path) -> None:
    assert complaints(f"webhook_configs: [{{{URL}}}]", tmp_path) == []
    hello = "email_configs: [{to: a, from: b, smarthost: 'm:25', hello: '{{ .Nope'}]"
    assert complaints(hello, tmp_path) == []


def test_a_name_that_is_defined_elsewhere_can_be_called(tmp_path: Path) -> None:
    called = """slack_configs: [{api_url_file: /f, text: '{{ template "acme.text" . }}'}]"""
    assert "no template 'acme.text'" in complaints(called, tmp_path)[0]
    assert complaints(called, tmp_path, "  templates: [acme.text]\n") == []
