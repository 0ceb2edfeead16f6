"""Pure functions of summaries. Each returns None where its value is not defined."""
