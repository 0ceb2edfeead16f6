"""Decoded rows into summaries by version, segment and time bucket."""
