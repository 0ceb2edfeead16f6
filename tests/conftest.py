"""Settings of the whole suite."""

from hypothesis import settings

# Time limits per example fail on busy machines without a bug in sight; pytest-timeout catches what hangs.
settings.register_profile("mlslo", deadline=None, max_examples=60)
settings.load_profile("mlslo")
