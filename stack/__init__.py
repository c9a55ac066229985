"""`make up`: the whole of Callroom on one machine, under a process supervisor, in the foreground."""
