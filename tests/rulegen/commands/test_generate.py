"""mlslo-rulegen generate and check, as a user runs them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from rulegen.cli import main
from tests.support.paths import CONTRACT
from tests.support.tools import tool

# Keeps the tests of generated files short: promtool evaluates every rule at every evaluation.
SMALL = """
apiVersion: mlslo/v1
kind: ModelSLO
metadata: {name: NAME, labels: {team: risk}}
spec:
  model: NAME
  slos:
    - name: psi
      layer: data
      sli: {gauge: {metric: ml_feature_psi, window: 1d, reference: training}}
      alerts:
        - {name: FeatureDrift, tier: P3, when: {above: 0.1}, for: 3m}
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated")
    result = run("generate", CONTRACT, "--out", out)
    assert result.exit_code == 0, result.stderr
    return out


@pytest.fixture
def small(tmp_path: Path) -> Path:
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "routing.yaml").write_text((CONTRACT / "routing.yaml").read_text())
    (specs / "small.yaml").write_text(SMALL.replace("NAME", "small"))
    return specs


def test_the_contract_is_accepted_as_it_stands(generated: Path) -> None:
    written = sorted(
        path.relative_to(generated).as_posix() for path in generated.rglob("*") if path.is_file()
    )
    assert [name for name in written if not name.endswith((".tmpl", ".md"))] == [
        "alertmanager/alertmanager.yaml",
        "dashboards/fraud.json",
        "dashboards/mlslo_fleet.json",
        "rules/fraud.yaml",
        "rules/fraud_records_test.yaml",
        "rules/fraud_test.yaml",
        "rules/watchdog.yaml",
        "rules/watchdog_test.yaml",
    ]


def test_promtool_accepts_the_rules(generated: Path) -> None:
    rules = [generated / "rules" / name for name in ("fraud.yaml", "watchdog.yaml")]
    done = subprocess.run([tool("promtool"), "check", "rules", *rules], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # promtool reads the first YAML document only, and says nothing of the others.
    assert [len(list(yaml.safe_load_all(path.read_text()))) for path in rules] == [1, 1]


def test_promtool_passes_every_generated_test(generated: Path) -> None:
    tests = sorted((generated / "rules").glob("*_test.yaml"))
    done = subprocess.run([tool("promtool"), "test", "rules", *tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_accepts_the_routing(generated: Path) -> None:
    path = generated / "alertmanager" / "alertmanager.yaml"
    done = subprocess.run([tool("amtool"), "check-config", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_in_which_it_fires_and_one_check_in_which_it_does_not(generated: Path) -> None:
    for name in ("fraud", "watchdog"):
        rules = yaml.safe_load((generated / "rules" / f"{name}.yaml").read_text())
        tests = yaml.safe_load((generated / "rules" / f"{name}_test.yaml").read_text())["tests"]
        alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
        checks = [check for test in tests for check in test.get("alert_rule_test", [])]
        quiet = [
            check["expr"]
            for test in tests
            for check in test.get("promql_expr_test", [])
            if "ALERTS{" in check["expr"] and not check["exp_samples"]
        ]
        for alert in alerts:
            own = [check for check in checks if check["alertname"] == alert["alert"]]
            fired = [
                expected
                for check in own
                for expected in check["exp_alerts"]
                if alert["labels"].items() <= expected["exp_labels"].items()
            ]
            assert fired, alert["alert"]
            named = f'alertname="{alert["alert"]}"'
            assert any(named in query for query in quiet) or name == "watchdog", alert["alert"]


def test_alerts_say_what_where_and_how_bad(generated: Path) -> None:
    rules = yaml.safe_load((generated / "rules" / "fraud.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert len(alerts) == 28
    for alert in alerts:
        assert {"model", "slo", "layer", "tier", "severity", "team"} <= set(alert["labels"])
        assert "{{" not in "".join(alert["labels"].values()), (
            "a value in a label makes a new alert of each change"
        )
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    tests = yaml.safe_load((generated / "rules" / "fraud_test.yaml").read_text())["tests"]
    said = {
        check["alertname"]: expected["exp_annotations"]
        for test in tests
        for check in test.get("alert_rule_test", [])
        for expected in check["exp_alerts"]
    }
    assert said["FeatureDrift"]["summary"] == (
        "fraud feature-drift: ml_feature_psi of feature feature_1 is 0.105, above 0.1 "
        "(window 1d, reference training, version 1)"
    )
    assert "feature_1 (0.26) feature_2 (0.26)" in said["FeaturesDrifting"]["description"]
    assert (
        "is 0.199; in 3 or more of the last 5 evaluations it was "
        "below 0.72 and more than 0.05 below its mean over 30d until 2d ago (0.25)"
        in said["ConceptDrift"]["summary"]
    )


@pytest.mark.slow
def test_output_is_the_same_for_the_same_input(generated: Path, tmp_path: Path) -> None:
    """From another folder, in another order, with another hash seed."""
    elsewhere = tmp_path / "specs"
    elsewhere.mkdir()
    paths = []
    for path in sorted(CONTRACT.glob("*.yaml"), reverse=True):
        paths.append(elsewhere / path.name)
        paths[-1].write_text(path.read_text())
    out = tmp_path / "out"
    program = "from rulegen.cli import main; main()"
    command: list[str | Path] = [
        sys.executable,
        "-c",
        program,
        "generate",
        *map(str, paths),
        "--out",
        str(out),
    ]
    subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": "7"})
    for path in generated.rglob("*"):
        if path.is_file():
            assert (out / path.relative_to(generated)).read_bytes() == path.read_bytes()


def test_a_second_run_changes_nothing_and_check_agrees(generated: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in generated.rglob("*")}
    again = run("generate", CONTRACT, "--out", generated)
    assert (again.exit_code, "wrote" in again.stdout) == (0, False)
    assert {path: path.stat().st_mtime_ns for path in generated.rglob("*")} == before
    assert run("check", CONTRACT, "--out", generated).exit_code == 0


def test_check_shows_what_differs(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("generate", small, "--out", out).exit_code == 0
    rules = out / "rules" / "small.yaml"
    rules.write_text(rules.read_text().replace("for: 3m", "for: 30m"))
    (out / "rules" / "watchdog.yaml").unlink()
    found = run("check", small, "--out", out)
    assert found.exit_code == 1
    assert "--- a/rules/small.yaml\n+++ b/rules/small.yaml\n" in found.stdout
    assert "-    for: 30m\n+    for: 3m\n" in found.stdout
    assert "--- /dev/null\n+++ b/rules/watchdog.yaml\n" in found.stdout
    assert "2 of " in found.stderr
    assert "for: 30m" in rules.read_text(), "check writes nothing"


def test_a_file_that_no_spec_asks_for_any_more_is_said(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (small / "other.yaml").write_text(SMALL.replace("NAME", "other"))
    assert run("generate", small, "--out", out).exit_code == 0
    (small / "other.yaml").unlink()
    (out / "rules" / "by-hand.yaml").write_text("groups: []\n")
    found = run("check", small, "--out", out)
    assert found.exit_code == 1
    assert "--- a/rules/other.yaml\n+++ /dev/null\n" in found.stdout
    assert "by-hand" not in found.stdout
    again = run("generate", small, "--out", out)
    assert again.exit_code == 0
    assert re.search(r"rules/other.yaml: warning: generated earlier, not by these specs", again.stderr)


def test_nothing_is_written_where_one_file_cannot_be(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "rules" / "watchdog.yaml").mkdir(parents=True)
    found = run("generate", small, "--out", out)
    assert found.exit_code == 2
    assert found.stderr.splitlines()[-1].endswith(
        "watchdog.yaml: cannot be written: a folder of that name is there"
    )
    assert [path for path in out.rglob("*") if path.is_file()] == []


def test_a_bad_spec_leaves_the_folder_as_it_was(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (small / "bad.yaml").write_text(SMALL.replace("NAME", "bad").replace("P3", "P7"))
    found = run("generate", small, "--out", out)
    assert (found.exit_code, found.stdout, out.exists()) == (2, "", False)


def test_generated_files_among_the_specs_are_not_read_as_specs(small: Path) -> None:
    assert run("generate", small, "--out", small).exit_code == 0
    (small / "values.yaml").write_text("image: somebody-else\n")
    assert run("generate", small, small / "rules" / "..", "--out", small).exit_code == 0


def test_a_target_without_keep_firing_for_refuses_it_with_a_place(tmp_path: Path) -> None:
    routing = (CONTRACT / "routing.yaml").read_text().replace('prometheus: "2.42"', 'prometheus: "2.41"')
    (tmp_path / "routing.yaml").write_text(routing)
    found = run("generate", CONTRACT / "fraud.slo.yaml", tmp_path / "routing.yaml", "--out", tmp_path)
    assert found.exit_code == 2
    assert found.stderr == (
        f"{CONTRACT}/fraud.slo.yaml:68:11: keepFiringFor needs Prometheus 2.42, target.prometheus is 2.41\n"
    )


def test_importing_the_generator_pulls_in_neither_numpy_nor_duckdb() -> None:
    program = (
        "import rulegen.cli, sys; print(sorted({'numpy', 'duckdb', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_and_a_missing_spec() -> None:
    assert run("generate").exit_code == 2
    listed = run("--help")
    assert {"generate", "check"} <= set(listed.stdout.split())
