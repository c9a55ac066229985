"""A stack of stand-in programs for the tests, run as `make up` does.

`foreground.py LOGS READY_WITHIN_S NAME=READY_URL=COMMAND...`
"""

import os
import shlex
import sys
from pathlib import Path

from stack import foreground
from stack.foreground import StackFailed, run
from stack.probes import status_of
from stack.programs import Program

foreground.CHECK_EVERY_S, foreground.ANSWERS_WITHIN_S = 0.2, 0.5  # what takes a minute takes some seconds here
logs, ready_within_s, *words = sys.argv[1:]
foreground.READY_WITHIN_S = int(ready_within_s)
programs = []
for word in words:
    name, ready_url, command = word.split("=", 2)
    programs.append(Program(name, tuple(shlex.split(command)), ready_url))


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 # what the test waits for


def say_who_answers() -> None:
    say(f"answering: {[one.name for one in programs if status_of(one.ready_url, 5)]}")


try:
    run(programs, Path(logs), os.environ, lambda: say("all ready"), say_who_answers)
except StackFailed as error:
    sys.exit(str(error))
