"""Fixtures and settings for every suite."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.databases"]

# No deadline: a slow machine is not a failure. `--hypothesis-profile thorough` for a long search.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile("default")
