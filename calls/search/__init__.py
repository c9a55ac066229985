"""Finding calls by the words of their transcripts."""
