"""What is made of a call's words when it is over: what was asked for, each time that it was, and its parts."""
