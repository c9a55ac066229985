"""What belongs to the room and lives as long as it: who is there, what they say, what is written and recorded."""
