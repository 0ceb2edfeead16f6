"""`scripts/check`: licences of all that the distributions install, and advisories about all of scripts/lock.txt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from distributions.bill import graph, is_allowed, licence
from distributions.split import WHOLE, split

ROOT = Path(__file__).resolve().parent.parent
_SECONDS = "5"


def licences() -> list[str]:
    """Return a line for each dependency under a licence that we don't take, or that tells none."""
    ours = {part.name: part for part in split(ROOT)}
    names = graph(ours[WHOLE], ours).keys() - ours.keys()
    found = {name: licence(name) for name in sorted(names)}
    return [
        f"{name}: licence {text}; expected one of bill.ALLOWED"
        for name, text in found.items()
        if not is_allowed(text)
    ]


def verdict(output: str, errors: str) -> tuple[list[str], str]:
    """Return what pip-audit found, a line each, and in a line what it could not see.

    ``output`` is its JSON, or nothing where it did not come to an end. Nobody may take silence for health: what was
    not looked up is said.
    """
    try:
        packages = json.loads(output)["dependencies"]
    except ValueError:
        return (
            [],
            f"skipped: no advisory service answers ({(errors.strip() or 'no output').splitlines()[-1][:200]})",
        )
    problems = [
        f"{package['name']} {package['version']}: {known['id']}, fixed in {known['fix_versions'] or 'no version'}"
        for package in packages
        for known in package.get("vulns", [])
    ]
    unseen = [package["name"] for package in packages if "skip_reason" in package]
    if not unseen:
        return problems, f"{len(packages)} packages of scripts/lock.txt looked up"
    if len(unseen) == len(packages):
        return problems, "skipped: no advisory service knows any package of scripts/lock.txt"
    return problems, f"{len(packages) - len(unseen)} packages looked up; not: {', '.join(unseen)}"


def main() -> None:
    """Print what is wrong, and end with exit code 1 where something is."""
    wrong = licences()
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        "scripts/lock.txt",
        "--no-deps",
        "--disable-pip",
    ]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", _SECONDS]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    problems, said = verdict(done.stdout, done.stderr)
    print(*wrong, *problems, f"advisories: {said}", sep="\n")
    sys.exit(bool(wrong or problems))


if __name__ == "__main__":
    main()
