"""Which version of Callroom this is: the one place that says it, from which all others take it."""

VERSION = "0.1.0"
