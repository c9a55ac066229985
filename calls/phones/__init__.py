"""Phones of a tenant: numbers, the trunk, its lines, who is not to be called, and who calls in."""
