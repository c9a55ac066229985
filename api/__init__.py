"""The REST layer: parse, ask `calls/` one thing, render."""
