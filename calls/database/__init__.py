"""How rows are kept: the engine on both databases, its clock, who waits for commits, secrets, and what has served."""
