"""A Pushgateway as the target of a batch job.

https://github.com/prometheus/pushgateway#put-method
"""

from __future__ import annotations

import base64
import re

from exporter.measure.exposition import TEXT, Series, Snapshot, render, samples
from exporter.web.delivery import Sender, shown_url

_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")


class Pushgateway:
    """Replaces the group of a job and a model as a whole: a gauge that is withheld now is gone from it."""

    def __init__(self, sender: Sender, url: str, job: str) -> None:
        self._sender = sender
        self.url = shown_url(url)
        self._url = f"{url.rstrip('/')}/metrics/{_part('job', job)}"

    def deliver(self, snapshot: Snapshot) -> int:
        """Replace the group of one model, and return the number of its series. Raises DeliveryError."""
        url = f"{self._url}/{_part('model', snapshot.model)}"
        self._sender.send("PUT", url, render([snapshot], {}), {"Content-Type": TEXT})
        return sum(1 for _ in samples([snapshot], {}))

    def deliver_own(self, process: Series) -> int:  # noqa: ARG002 - of the protocol
        """Leave them out: beside those of batch jobs they would say of a process that is gone that it is there."""
        return 0


def _part(label: str, value: str) -> str:
    """Return a label of the grouping key as a part of the path; what a path could misread is in base64."""
    if _PLAIN.fullmatch(value) and value.strip("."):
        return f"{label}/{value}"
    encoded = base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
    return f"{label}@base64/{encoded or '='}"
