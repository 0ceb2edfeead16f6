"""Specs that between them have every kind of SLI, condition, budget and companion."""
