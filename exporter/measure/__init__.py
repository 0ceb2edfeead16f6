"""From the summaries of windows to gauges, one layer a file."""
