"""Every format by its name, with the requests that it writes."""

from __future__ import annotations

from collections.abc import Sequence

from tests.formats import chats, dataset
from tests.formats.events import EVENTS
from tests.formats.format import Format
from tests.formats.own import OWN
from tests.formats.platforms import PLATFORMS
from tests.formats.tensors import TENSORS
from tests.formats.wrappings import WRAPPINGS

TABULAR = (*OWN, *WRAPPINGS, *EVENTS, *TENSORS, *PLATFORMS)
FORMATS = {format_.name: format_ for format_ in (*TABULAR, *chats.CHATS)}


def requests_of(format_: Format) -> Sequence[dataset.Request]:
    """Return what ``format_`` writes: predictions of a binary model, or chats."""
    return dataset.chats() if format_ in chats.CHATS else dataset.requests()
