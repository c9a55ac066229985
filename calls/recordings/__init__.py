"""A call's recording: what was recorded, by whom, and where it is kept."""
