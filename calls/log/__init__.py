"""Log lines, and never what was said in them."""
