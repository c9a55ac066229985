"""Whether an answer is what its JSON schema says, and what can be made of it where only the form is wrong.

Also a process: `python -m pipeline.schema_judge` reads [value, schema] and writes [value, problems], or null if the
schema cannot be used. A user's schema can take for ever, and nothing but its process's end stops it.
"""

import json
import resource
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from jsonschema_rs import ValidationError, ValidationErrorKind

from calls.analysis import json_schema

MOST_PROBLEMS = 10  # that are told
MOST_MENDED = 1000  # in one round
MEMORY_BYTES = 2**29  # of a process that judges
ROUNDS = 5  # a mended part can show what is wrong inside of it


class Verdict(NamedTuple):
    """The value, mended where that is safe, and one sentence for each thing that is wrong with what was given."""

    value: dict[str, Any]
    problems: list[str]


def judge(value: dict[str, Any], schema: Mapping[str, Any]) -> Verdict:
    """Judge `value`, which may be changed. Raises ValueError if the schema cannot be used."""
    validator = json_schema.validator(schema)
    first = problems = list(islice(validator.iter_errors(value), MOST_MENDED))
    for _ in range(ROUNDS):
        for problem in problems:
            _mend(value, problem)
        problems = list(islice(validator.iter_errors(value), MOST_MENDED)) if problems else []
    return Verdict(value, [_sentence(problem) for problem in first[:MOST_PROBLEMS]] if problems else [])


def _sentence(problem: ValidationError) -> str:
    path = ".".join(str(part) for part in problem.instance_path)
    return f"{path}: {problem.message[:200]}" if path else problem.message[:200]


def _mend(value: dict[str, Any], problem: ValidationError) -> None:
    """Put right what can mean one thing only: `null` for nothing, a choice in other letters, what nobody asked for."""
    path = problem.instance_path
    part, holder = _at(value, path), _at(value, path[:-1])
    match problem.kind:
        case _ if part is None and path and isinstance(holder, dict):
            holder.pop(path[-1], None)  # should it be required, that stays wrong
        case ValidationErrorKind.AdditionalProperties(extra) | ValidationErrorKind.UnevaluatedProperties(extra):
            for name in extra if isinstance(part, dict) else ():
                part.pop(name, None)
        case ValidationErrorKind.AnyOf(branches) | ValidationErrorKind.OneOfNotValid(branches):
            for inner in _nearest(branches, path):
                _mend(value, inner)
        case ValidationErrorKind.Enum(options) if path and isinstance(part, str):
            holder[path[-1]] = _meant(part, options)
        case ValidationErrorKind.Constant(option) if path and isinstance(part, str):
            holder[path[-1]] = _meant(part, [option])
        case _:
            pass


def _at(value: Any, path: Iterable[str | int]) -> Any:  # noqa: ANN401 - any part of a JSON value
    try:
        for part in path:
            value = value[part]
    except (KeyError, IndexError, TypeError):  # an earlier mend took it away
        return None
    return value


def _nearest(branches: list[list[ValidationError]], path: list[str | int]) -> list[ValidationError]:
    """The errors of the one branch that is of the value's type."""

    def another_type(errors: list[ValidationError]) -> bool:
        return any(error.kind.name == "type" and error.instance_path == path for error in errors)

    return next((errors for errors in branches if not another_type(errors)), [])


def _meant(text: str, options: Iterable[object]) -> str:
    same = [one for one in options if isinstance(one, str) and one.strip().casefold() == text.strip().casefold()]
    return same[0] if len(same) == 1 else text


def main() -> None:
    """Judge once, from standard input to standard output."""
    with suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    value, schema = json.load(sys.stdin)
    try:
        verdict = judge(value, schema)
    except ValueError:
        verdict = None
    json.dump(verdict, sys.stdout)


if __name__ == "__main__":
    main()
