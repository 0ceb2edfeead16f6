"""Random scenarios, played to a real Alertmanager and to the simulation."""
