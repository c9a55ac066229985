"""A log line as its author wrote it: the format string, with the names of its values in place of them."""

import ast
import linecache
import logging
from functools import cache

_LONGEST = 20  # lines of source that one call of a logger takes


def as_written(record: logging.LogRecord) -> str:
    """The format string of a record, `{names}` of an f-string included; where that cannot be read, the place of it.

    The record alone does not tell: of an f-string it has the finished text, as of all that comes from another process.
    """
    return _format_string(record.pathname, record.lineno) or f"{record.module}:{record.lineno}"


@cache
def _format_string(path: str, line: int) -> str | None:
    # Only the few lines of the call are parsed: a whole module takes tens of milliseconds, in which nobody is heard.
    source = ""
    for number in range(line, line + _LONGEST):
        source += linecache.getline(path, number)
        try:
            statements = ast.parse(source.lstrip()).body
        except SyntaxError:
            continue
        return next((text for statement in statements for text in map(_text, _arguments(statement)) if text), None)
    return None


def _arguments(statement: ast.stmt) -> list[ast.expr]:
    """What a call that stands as a statement is given; the text comes first, or after the level."""
    match statement:
        case ast.Expr(value=ast.Call(args=arguments)):
            return arguments[:2]
        case _:
            return []


def _text(argument: ast.expr) -> str | None:
    match argument:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=value):
            return f"{{{ast.unparse(value)}}}"
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) or "" for part in parts)
        case _:
            return None
