"""An answer is judged in bounded time, whatever a user's schema is: in this process only where that is quick."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from calls.analysis.json_schema import REFERENCES
from pipeline.llm.errors import LlmFailed, Unusable
from pipeline.schema_judge import Verdict, judge

QUICK = 10_000  # parts of the schema times parts of the value: some hundredths of a second if all of them are wrong
DEADLINE_S = 10.0


async def judged(value: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """`value`, mended where that is safe, valid against the schema.

    Raises Unusable, or LlmFailed if the schema cannot be used, or takes too long.
    """
    written = json.dumps(schema)
    refers = any(keyword in written for keyword in REFERENCES)
    quick = not refers and _parts(schema) * _parts(value) <= QUICK
    try:
        verdict = judge(value, schema) if quick else await _judged_apart(value, schema)
    except ValueError as error:
        raise LlmFailed("The JSON schema cannot be used.") from error
    if verdict.problems:
        raise Unusable(*(f"The model's answer does not match the schema: {problem}" for problem in verdict.problems))
    return verdict.value


def _parts(value: object) -> int:
    match value:
        case Mapping():
            return 1 + sum(_parts(item) for item in value.values())
        case list():
            return 1 + sum(_parts(item) for item in value)
        case str():
            return 1 + len(value) // 1000
        case _:
            return 1


async def _judged_apart(value: dict[str, Any], schema: Mapping[str, Any]) -> Verdict:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "pipeline.schema_judge")
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(DEADLINE_S):
            output, _ = await process.communicate(json.dumps([value, schema]).encode())
    except TimeoutError as error:
        raise LlmFailed(f"The model's answer could not be judged by the JSON schema in {DEADLINE_S:g} s.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:  # such a schema can also use up all memory, or the stack
        raise LlmFailed("The model's answer could not be judged by the JSON schema.")
    verdict = json.loads(output)
    if verdict is None:
        raise ValueError("the schema cannot be used")
    return Verdict(*verdict)
