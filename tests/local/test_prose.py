"""What a tiny model's answers in plain language make of a schema; the model itself has its tests where it is asked."""

from typing import Any

import pytest

from local.prose import with_answers

VERDICT: dict[str, Any] = {
    "reasoning": {"type": "string", "description": "Did the agent help?"},
    "passed": {"type": "boolean"},
    "score": {"type": "number", "minimum": 0, "maximum": 1, "description": "0: not at all, 1: very much"},
}


async def answered(answer: str, properties: dict[str, Any]) -> dict[str, Any]:
    async def say(_messages: list[dict[str, Any]]) -> str:
        return answer

    schema = await with_answers(say, [{"role": "user", "content": "Agent: Hello."}], {"properties": properties})
    known: dict[str, Any] = schema["properties"]
    return known


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("Yes, the agent helped.", True),
        ("The agent knew nobody by that name, and noted it.", True),
        ("No, the agent was rude.", False),
        ("The agent greeted the caller, but didn't help.", False),
        ("The agent was not helpful.", False),
        ("The agent failed to greet.", False),
    ],
)
async def test_a_verdict_says_what_the_answer_before_it_says(answer: str, *, passes: bool) -> None:
    known = await answered(answer, VERDICT)
    assert (known["reasoning"]["const"], known["passed"]["const"]) == (answer, passes)
    best, worst = (1, 0.5) if passes else (0.4, 0)
    assert (known["score"]["enum"][0], known["score"]["enum"][-1]) == (best, worst)


async def test_what_says_by_itself_what_it_is_or_follows_no_answer_is_left_to_the_model() -> None:
    guest = {"type": "boolean", "description": "whether the caller has stayed before"}
    known = await answered("No, the agent was rude.", {**VERDICT, "guest": guest})
    assert known["guest"] == guest
    assert await answered("", VERDICT) == VERDICT
    unasked = {name: VERDICT[name] for name in ("passed", "score")}
    assert await answered("No.", unasked) == unasked
