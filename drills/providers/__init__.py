"""Providers misbehave in the middle of calls, as people who run voice agents know it: what the caller hears of it."""
