"""The schema's history. `python -m calls.migrations "what changes"` writes the next step from `calls.tables`."""
