"""Rules over a history: a real Prometheus evaluates them, the simulation routes their alerts.

`rulegen.commands.backtest` and `tune` call `open_store`, `judgement.Judge` and `report`; `tuning/` proposes limits.
"""
