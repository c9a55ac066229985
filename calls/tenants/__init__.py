"""Tenants: keys, credits and prices, their repeated requests, and what their servers are told."""
