"""What a tiny model's answers in plain language make of a schema; the model itself has its tests where it is asked."""

from typing import Any

import pytest

from local.prose import with_answers
from local.verdicts import agreeing

QUESTION = {"type": "string", "description": "Did the agent help?"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1, "description": "0: not at all, 1: very much"}
YES_OR_NO = {"type": "boolean"}
VERDICT: dict[str, Any] = {"reasoning": QUESTION, "passed": YES_OR_NO, "score": SHARE}


async def answered(answer: str, properties: dict[str, Any]) -> dict[str, Any]:
    async def say(_messages: list[dict[str, Any]]) -> str:
        return answer

    schema = await with_answers(say, [{"role": "user", "content": "Agent: Hello."}], {"properties": properties})
    known: dict[str, Any] = schema["properties"]
    return known


async def judged(answer: str, properties: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = agreeing({"properties": await answered(answer, properties)})["properties"]
    return known


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("Yes, the agent helped.", True),
        ("The agent knew nobody by that name, and noted it.", True),
        ("The agent had no trouble and helped.", True),
        ("The agent didn't have any problems, and was never rude.", True),
        ("The agent helped without fail.", True),
        ("The agent was not only polite, but also fast.", True),
        ("The agent was not only rude, but also slow.", False),
        ("No, the agent was rude.", False),
        ("The agent greeted the caller, but didn't help.", False),
        ("The agent was not helpful.", False),
        ("The agent failed to greet.", False),
        ("The agent did not help and failed to greet.", False),
        ("The agent had no trouble, and did not help.", False),
    ],
)
async def test_a_verdict_says_what_its_reasoning_says(answer: str, *, passes: bool) -> None:
    points = {"type": "object", "properties": {"1": {"properties": {"reasoning": QUESTION, "passed": YES_OR_NO}}}}
    known = await judged(answer, {"criteria": points, **VERDICT})
    assert (known["reasoning"]["const"], known["passed"]["const"]) == (answer, passes)
    assert known["criteria"]["properties"]["1"]["properties"]["passed"]["const"] == passes
    best, worst = (1, 0.5) if passes else (0.4, 0)
    assert (known["score"]["enum"][0], known["score"]["enum"][-1]) == (best, worst)


async def test_a_verdict_without_an_answer_is_left_to_the_model() -> None:
    assert await judged("", VERDICT) == VERDICT
    unasked = {name: VERDICT[name] for name in ("passed", "score")}
    assert await judged("No.", unasked) == unasked


@pytest.mark.parametrize("name", ["reason", "reasoning"])
async def test_what_is_no_verdict_is_left_to_the_model(name: str) -> None:
    asked = {name: {"type": "string", "description": "Why did the caller call?"}}
    rest = {
        "name": {"type": "string"},
        "wants_callback": YES_OR_NO,
        "urgency": {**SHARE, "description": "How urgent it is"},
    }
    verdict = {"passed": YES_OR_NO, "score": SHARE}
    for others in (rest, {**rest, **verdict}, {**verdict, **rest}):
        known = await judged("The caller could not log in.", {**asked, **others})
        assert {field: known[field] for field in others} == others
