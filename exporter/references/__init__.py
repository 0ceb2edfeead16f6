"""References: static, sliding, calendar and first; the reference file, and how a baseline is built."""
