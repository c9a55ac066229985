"""The agent in the room: one process per live call."""
