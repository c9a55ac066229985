"""When a turn is over: by the words, by the sound of the voice, and by how long it has been silent."""
