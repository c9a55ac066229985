"""New calls: the rules, how they are written, whose turn it is, and many at once."""
