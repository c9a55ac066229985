"""What is said, as sound: made by a voice or kept beforehand, on its way into the room, and the words that follow."""
