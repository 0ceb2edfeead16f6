"""Who is told what, and when: an evaluator of Alertmanager's semantics, and the scenarios that it plays."""

from __future__ import annotations

from rulegen.simulation.dispatch import Dispatcher
from rulegen.simulation.outcome import Outcome
from rulegen.simulation.story import Story

__all__ = ["play"]


def play(story: Story) -> Outcome:
    """Everything that comes of a scenario."""
    messages = story.prometheus.messages(story.firings, story.length, story.unreachable)
    return Dispatcher(story.configuration, story.silences, story.start).run(messages, story.length)
