"""Rules over a history: a real Prometheus evaluates them, the simulation routes their alerts.

The commands take `history.Source`, `store.Store` and `ruleset.RuleSet`, have a `judgement.Judge` judge, and print by
`report`; `tuning.Tuner` proposes limits.
"""
