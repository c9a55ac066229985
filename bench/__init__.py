"""Measurements: `python -m bench` prints them as tables."""
