"""The generator: SLO specs in, rules, unit tests, routing and dashboards out."""
