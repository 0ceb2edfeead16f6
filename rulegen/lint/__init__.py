"""Checks of judgement, before anything is written: one lint a file, with a stable name and a page in docs/lint."""
