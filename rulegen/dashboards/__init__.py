"""Grafana dashboards, one a model."""
