"""Drills: parts of the real stack are broken in the middle of calls, and the calls have to go on."""
