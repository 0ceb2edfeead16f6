"""Service level indicators: gauges, queries and events, lowered to recording rules."""
