"""Providers of speech and language: which an agent has chosen, where they are, and in which language they work."""
