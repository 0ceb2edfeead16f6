"""An evaluator of Alertmanager's semantics, and the scenarios that it plays: who is notified, and when."""

from __future__ import annotations

from rulegen.simulation.dispatch import Dispatcher
from rulegen.simulation.outcome import Outcome
from rulegen.simulation.setup import Setup

__all__ = ["play"]


def play(setup: Setup) -> Outcome:
    """Everything that comes of a scenario."""
    messages = setup.prometheus.messages(setup.firings, setup.length, setup.unreachable)
    alertmanager = Dispatcher(setup.configuration, setup.silences, setup.start, version=setup.alertmanager)
    return alertmanager.run(messages, setup.length)
