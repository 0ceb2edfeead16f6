"""Folders and files of the repository that tests read."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
CONTRACT = TESTS / "contract"
ROUTING = CONTRACT / "routing.yaml"
DIABETES = ROOT / "examples" / "diabetes"
CORPUS = TESTS / "mutations" / "corpus"
ZOO = TESTS / "zoo"
