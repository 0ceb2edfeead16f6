"""Objectives: error budgets, burn rates, alerts and their companions; the plan of one file."""
