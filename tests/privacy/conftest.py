"""The road under test."""

from tests.road import roads as roads
