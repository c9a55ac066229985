"""`make demo`: one spoken call through the whole stack, from the first ring to the evaluation."""
