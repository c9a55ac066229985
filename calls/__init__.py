"""What a call is and how it is kept: the floor that worker, api and pipeline stand on."""
