"""The daemon: schedule, reload, signals, and the cycle of one model."""
