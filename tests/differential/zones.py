"""Time zones whose clocks are put forward or back while a test runs.

A zone file that is written for a test has its change a few seconds after the test's start. Both programs
read it: Python through its TZPATH, Go through the environment variable ZONEINFO.
"""

from __future__ import annotations

import struct
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

DAY = 86_400


@dataclass(frozen=True)
class Zone:
    """At the start its clock shows ``clock`` (seconds of the day); ``after`` seconds later it jumps by ``jump``."""

    name: str
    clock: int
    after: int
    jump: int

    def minutes(self, seconds: int) -> list[int]:
        """The minutes of the day that its clock shows on the way, ``seconds`` long."""
        shown = []
        for second in range(seconds + 1):
            local = self.clock + second + (self.jump if second >= self.after else 0)
            shown.append(local % DAY // 60)
        return list(dict.fromkeys(shown))


def _clock(hours: int, minutes: int, seconds: int) -> int:
    return hours * 3600 + minutes * 60 + seconds


ZONES = (
    Zone("Spring", _clock(1, 59, 50), 10, 3600),
    Zone("Autumn", _clock(2, 59, 46), 14, -3600),
    Zone("SpringAtMidnight", _clock(23, 59, 48), 12, 3600),
    Zone("AutumnAtMidnight", _clock(23, 59, 43), 17, -3600),
    Zone("AutumnBackToYesterday", _clock(0, 59, 52), 8, -7200),
    Zone("HalfHour", _clock(1, 59, 38), 22, 1800),
    Zone("NoChange", _clock(8, 59, 45), 10**6, 0),
    Zone("Midnight", _clock(23, 59, 47), 10**6, 0),
    Zone("ChangedThisMonth", _clock(12, 34, 44), -90, 3600),
)  # fmt: skip


NAMES = {f"Test/{zone.name}": zone for zone in ZONES}


@contextmanager
def known(folder: Path) -> Iterator[None]:
    """Python finds the zones in ``folder``."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[str(folder.absolute()), *before])
    try:
        yield
    finally:
        zoneinfo.reset_tzpath(to=list(before))
        zoneinfo.ZoneInfo.clear_cache()


def write(folder: Path, start: int) -> None:
    """The files of the zones, for a test that starts at the second ``start``."""
    for name, zone in NAMES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_tzif(zone, start))
    zoneinfo.ZoneInfo.clear_cache()


def _tzif(zone: Zone, start: int) -> bytes:
    """A zone file of version 2 with one change. https://www.rfc-editor.org/rfc/rfc8536"""
    # Clocks that have jumped before the start show what they show after the jump.
    shown = zone.clock - (zone.jump if zone.after < 0 else 0)
    offset = (shown - start) % DAY
    offset -= DAY if offset > DAY // 2 else 0
    names = b"BEF\0AFT\0"
    blocks = b""
    for number in ("l", "q"):
        blocks += b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 1, 2, len(names))
        blocks += struct.pack(f">{number}b", start + zone.after if zone.after < 10**6 else 2**31 - 1, 1)
        blocks += struct.pack(">lbb", offset, 0, 0) + struct.pack(">lbb", offset + zone.jump, 1, 4) + names
    return blocks + b"\n\n"


def local(name: str, moment: float) -> datetime:
    """What the clocks of a zone show."""
    return datetime.fromtimestamp(moment, zoneinfo.ZoneInfo(name))


def dates(moment: float) -> list[date]:
    """The days that the zones have."""
    return [local(name, moment).date() for name in NAMES]
