"""What is said, as words: of which language, in which pieces, how long it takes."""
