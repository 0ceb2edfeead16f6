"""Replay: the gauges of a past log at each of many steps, into a folder that backtests read.

From outside: ``replay`` writes the history of models; ``Steps`` says of which times.
"""
