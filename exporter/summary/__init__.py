"""Summaries: counts that add up, whatever the order and the grouping, one family a file.

``base.Summary``: named arrays that merge by sum, minimum or maximum, folded from rows as a stack with one summary per
group. ``composite`` holds several of the same rows as one; ``windows`` has the time buckets that they are kept in.
"""
