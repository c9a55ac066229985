"""`python -m api`: serve; `python -m api keys create` and the like: one JSON object each."""

import sys

from api.cli import main

if __name__ == "__main__":
    sys.exit(main())
