"""From samples to words: where speech begins and ends, and what was said."""
