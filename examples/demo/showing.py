"""One showing of the story: what is printed as it happens, and what was seen."""

import contextlib
import queue
import time
from datetime import timedelta

from examples.demo.chain import Chain
from examples.demo.decisions import decisions, outcomes, seen_share
from examples.demo.measured import measured
from examples.demo.processes import ChildError, Children
from examples.demo.terminal import Terminal
from examples.demo.verdict import promises, rolled_back
from examples.demo.watch import Alert, Watch
from examples.standins import DEPLOYER, PAGERDUTY, SLACK, WEBHOOK, Delivery, Standins, headline
from examples.story import END_MINUTES, PHASES, START, Phase

_POLL = 0.25

Deliveries = queue.SimpleQueue[Delivery]


class Showing:
    """Prints the story of `chain`, which runs `factor` times as fast as it was recorded."""

    def __init__(self, chain: Chain, standins: Standins, arrived: Deliveries, factor: float) -> None:
        self._chain, self._standins, self._arrived, self._factor = chain, standins, arrived, factor
        self._terminal = Terminal()
        self._watch = Watch(chain.prometheus, chain.alertmanager)
        self._coming: list[Phase] = list(PHASES)
        self._seen: list[Alert] = []
        self._phase: Phase | None = None
        self._heartbeat_shown = False

    def introduce(self) -> None:
        """Print what the demo is, and where to look."""
        hours = f"{START:%H:%M} to {START + timedelta(minutes=END_MINUTES):%H:%M}"
        self._terminal.line()
        self._terminal.paragraph(
            f"A recorded morning of the model diabetes, {hours}, {self._factor:.0f} times as fast, through the "
            "real chain: log → exporter → Prometheus → Alertmanager → stand-ins for Slack, PagerDuty and a deployer."
        )
        self._terminal.line()
        for name, url in (
            ("exporter", f"{self._chain.exporter}/"),
            ("model's page", f"{self._chain.exporter}/models/diabetes"),
            ("Prometheus", f"{self._chain.prometheus}/"),
            ("Alertmanager", f"{self._chain.alertmanager}/"),
            ("act", f"{self._chain.act}/metrics"),
        ):
            self._terminal.line(f"  {name:13} {url}")

    def play(self, children: Children, until: float) -> None:
        """Show what happens until epoch second `until`. Raises ChildError where a program ends."""
        while (now := time.time()) < until:
            while self._coming and now >= self._moment(self._coming[0].start):
                phase = self._coming.pop(0)
                self._show_measured()
                self._phase = phase
                self._terminal.phase(self._clock(self._moment(phase.start)), phase)
            self._show_changes()
            self._show_deliveries()
            for text in self._chain.approver.look():
                self._terminal.decision(self._clock(time.time()), text)
            children.check()
            if self._chain.player.error is not None:
                raise ChildError(f"the log cannot be written: {self._chain.player.error}")
            time.sleep(_POLL)
        self._show_measured()

    @property
    def end(self) -> float:
        """The end of the story, in epoch seconds."""
        return self._moment(END_MINUTES)

    def summarize(self) -> bool:
        """Print what was sent and whether it was as told; returns that."""
        terminal, deliveries = self._terminal, self._standins.deliveries
        terminal.heading("What was sent")
        told = [delivery for delivery in deliveries if delivery.kind in (SLACK, PAGERDUTY)]
        for delivery in told:
            terminal.sent(self._clock(delivery.time.timestamp()), delivery)
        if not told:
            terminal.line("       nothing")
        beats = sum(delivery.kind == WEBHOOK for delivery in deliveries)
        terminal.line(f"       and {beats} heartbeats to the dead man's switch", "dim")
        for kind, reason in self._standins.refused:
            terminal.line(f"       {kind} refused something: {reason}", "red")
        decided = decisions(self._chain.actions)
        terminal.heading("What was decided")
        for entry in decided:
            who = f" by {entry.who}" if entry.kind == "approved" else ""
            terminal.line(
                f"{self._clock(entry.time):>5}  {entry.action} {entry.kind}{who}: {entry.alert} of {entry.model}"
            )
        counts = outcomes(self._chain.prometheus)
        counted = ", ".join(f"{count:.0f} {outcome}" for outcome, count in counts.items())
        terminal.line(f"       alerts that somebody acted on: {seen_share(counts):.0%} ({counted})", "dim")
        terminal.heading("As told?")
        starts = {phase.name: self._moment(phase.start) for phase in PHASES}
        verdict = promises(deliveries, starts, self._seen, len(self._standins.open_incidents))
        verdict.append(rolled_back(deliveries, decided, counts))
        for fine, text in verdict:
            terminal.verdict(fine, text)
        return all(fine for fine, _ in verdict)

    def stay(self) -> None:
        """The story is over, the programs go on."""
        self._terminal.line()
        self._terminal.paragraph("The repaired model goes on serving. Look around; Ctrl-C ends everything.")

    def _show_changes(self) -> None:
        try:
            changes = list(self._watch.changes())
        except (OSError, ValueError):
            return  # A server that is busy is asked again; one that has ended is reported as such.
        for alert in changes:
            self._seen.append(alert)
            self._terminal.alert(self._clock(time.time()), alert)

    def _show_measured(self) -> None:
        """The gauges at the end of a chapter."""
        if self._phase is not None:
            with contextlib.suppress(OSError, ValueError):
                text = measured(self._chain.prometheus, self._phase.version, self._chain.window)
                self._terminal.paragraph(f"measured: {text}", "dim", " " * 7)

    def _show_deliveries(self) -> None:
        while not self._arrived.empty():
            delivery = self._arrived.get()
            if delivery.kind == DEPLOYER:
                self._chain.player.deploy()
                self._terminal.decision(
                    self._clock(delivery.time.timestamp()), f"the deployer: {headline(delivery)}"
                )
            elif delivery.kind != WEBHOOK:
                self._terminal.delivery(delivery)
            elif not self._heartbeat_shown:
                self._heartbeat_shown = True
                self._terminal.line("       the dead man's switch hears its first heartbeat", "dim")

    def _moment(self, minute: float) -> float:
        return self._chain.player.moment(minute)

    def _clock(self, moment: float) -> str:
        """Minutes and seconds since the story's start."""
        seconds = max(0, int(moment - self._chain.story_start))
        return f"{seconds // 60}:{seconds % 60:02}"
