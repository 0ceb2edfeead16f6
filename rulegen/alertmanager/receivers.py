"""Receivers as users write them, with our texts where they have none."""

import copy
from collections.abc import Mapping
from typing import Any

from rulegen.spec.integrations import INTEGRATIONS, SILENT_ABOUT_ENDS, TEXTS
from rulegen.spec.routing import Spec


def receivers(spec: Spec) -> list[dict[str, Any]]:
    """Return every receiver of the file, in its order, then the one that acts."""
    watching = set(spec.watchdog.receivers) if spec.watchdog else set()
    return [
        {"name": name, **_filled(spec, integrations, heartbeat=name in watching - spec.notified)}
        for name, integrations in spec.all_receivers.items()
    ]


def _filled(spec: Spec, integrations: Mapping[str, Any], *, heartbeat: bool) -> dict[str, Any]:
    filled: dict[str, Any] = copy.deepcopy(dict(integrations))
    for name, configs in filled.items():
        texts: dict[str, Any] = {"send_resolved": True} if name in SILENT_ABOUT_ENDS else {}
        texts |= {
            key: text
            for key, text in TEXTS[name].items()
            if INTEGRATIONS[name].gate(key).open(spec.target.alertmanager.from_)
        }
        if heartbeat:
            # To a dead man's switch every message is a sign of life, even the one that says it is over.
            texts = {"send_resolved": False}
        for config in configs:
            for key, text in texts.items():
                given = config.setdefault(key, copy.deepcopy(text))
                if key == "headers" and not any(header.lower() == "subject" for header in given):
                    given.update(text)
    return filled
