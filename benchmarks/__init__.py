"""Measurements against other registries; no part of the program."""
