"""Calls to and from phones: an agent comes, a phone rings, and each way in which that may go on has its own end."""
