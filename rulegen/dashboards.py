"""One Grafana dashboard per model."""

from __future__ import annotations

from typing import Any

from rulegen.plan import Plan


def dashboard(plan: Plan, source: str) -> dict[str, Any]:
    return {"title": plan.file.model, "description": source}
