"""Fixtures and settings for every suite."""

import os
import sys

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.databases", "tests.scheduling"]

# Many tests start a process, and without compiled modules each process compiles the project anew, for half a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No deadline: a slow machine is not a failure. `--hypothesis-profile thorough` for a long search.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile("default")
