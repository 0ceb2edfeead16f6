"""Cases of the alert that most records lack a field that they had.

None lasts for a day, to see it end: promtool evaluates all rules of the file all along, and would take twice as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rulegen.promql.expressions import number
from rulegen.slo.companions import shared
from rulegen.slo.companions.shared import FIELD
from rulegen.unittests.case import GONE, NAN, Case, Sample
from rulegen.unittests.tested_companion import Expected, Tested

_SHADE = Decimal("0.01")


def cases(tested: Tested) -> Iterator[Case]:
    """Yield the cases of a field that nearly all records had, which few records of one pod of two have now."""
    pods, after, rare, usual = tested.pods, tested.first.demand.after, shared.RARE, shared.USUAL
    there, few = usual + _SHADE, rare - _SHADE
    bad: list[Sample] = [there, *[few] * (tested.wait + 1)]
    stories: list[tuple[str, list[Sample], bool]] = [
        (f"stays quiet where a field is in {number(rare)} of the records", [there, rare, rare], False),
        (f"fires {after} after it is in {number(few)} of one pod's", bad, True),
        ("resolves when it is back", [*bad, there], False),
        ("begins anew after an evaluation without data", [there, few, GONE, *bad[1:]], False),
        ("is quiet at NaN", [there, few, NAN], False),
        ("ends where its series end", [there, few, GONE, GONE], False),
    ]
    for what, shares, texts in stories if tested.life() else stories[:2]:
        series = [pods.series(shared.PRESENT, "a", shares, {FIELD: "score"})]
        if texts:
            size = len(shares)
            series += [
                pods.series(shared.PRESENT, "b", [usual] * size, {FIELD: "score"}),
                # It has begun without the field.
                pods.series(shared.PRESENT, "c", [GONE, *[few] * (size - 1)], {FIELD: "score"}),
                pods.series(shared.PRESENT, "a", [usual, *[Decimal(0)] * (size - 1)], {FIELD: "fallback"}),
                series[0].of_another_model([Decimal(1), *[Decimal(0)] * (size - 1)]),
            ]
        held = [share is not None and not share.is_nan() and share < rare for share in shares]
        values = [0.0 if share is None else float(share) for share in shares]
        yield tested.case(what, series, [Expected(tested.first, held, values, {FIELD: "score"})], texts=texts)
