"""Releases: cut, looked at, signed, put in force and taken back."""
