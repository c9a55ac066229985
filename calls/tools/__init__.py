"""What an agent may ask of other people's servers, the secrets that it shows them, and what became of each call."""
