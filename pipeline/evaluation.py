"""The judgement of the agent by the user's rubric, and by each of its points where they are numbered."""

import re
from typing import Any

import prompts
from calls.analysis.post_call import EvaluationSection
from pipeline.llm import Answer, Conversation, Form, Llm, LlmFailed, Question

SCORE = {"type": "number", "minimum": 0, "maximum": 1, "description": "0: met nothing of it, 1: met all of it"}

LONGEST_QUESTION = 300  # characters; a longer yardstick is read in the instructions alone

_NUMBER = re.compile(r"(?:^|(?<=[\s(,;:]))\(?(\d{1,2})[.)]\s*(?=[^\s\d])", re.MULTILINE)


async def evaluate(llm: Llm, section: EvaluationSection, conversation: Conversation) -> Answer:
    """Ask for {"passed", "score" from 0 to 1, "reasoning"}.

    With numbered points, also "criteria": a list of {"criterion", "passed", "reasoning"}, one for each point.
    """
    points = numbered_points(section.rubric or "") + numbered_points(section.criteria or "")
    numbers = [str(number) for number in range(1, len(points) + 1)]
    values = {"when": conversation.when, "rubric": section.yardstick, "answer": _example(numbers), "points": ""}
    if points:
        listed = "\n".join(f"{number}. {point}" for number, point in zip(numbers, points, strict=True))
        values["points"], _ = prompts.render(prompts.load("evaluation_points"), {"points": f"{listed}\n"})
    instructions, _ = prompts.render(prompts.load("evaluation"), values)
    answer = await llm.ask(
        Question(instructions, Form("evaluation", _schema(section.yardstick, points), strict=True)), conversation
    )
    if not answer.value["reasoning"].strip():
        raise LlmFailed("The model gave no reasoning.")
    if points:
        verdicts = answer.value["criteria"]
        answer.value["criteria"] = [
            {"criterion": point, **verdicts[number]} for number, point in zip(numbers, points, strict=True)
        ]
    return answer


def numbered_points(rubric: str) -> list[str]:
    """The points of a rubric like "Did the agent: 1) greet, 2) help?", without their numbers; none if it has no two."""
    marks: list[re.Match[str]] = []
    for mark in _NUMBER.finditer(rubric):
        if int(mark[1]) == len(marks) + 1:  # any other number is part of a point
            marks.append(mark)
    if not marks[1:]:
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(rubric)]
    texts = [rubric[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
    points = [text.partition("\n\n")[0].strip(" \t\r\n,;") for text in texts]
    return points if all(points) else []


def _schema(yardstick: str, points: list[str]) -> dict[str, Any]:
    # By number, not in a list: a server that decodes by the schema then leaves none out.
    by_number = {str(number): _object(_verdict(point)) for number, point in enumerate(points, 1)}
    verdicts = {"criteria": _object(by_number)} if points else {}
    overall = "How well did the agent do?" if points else yardstick
    return _object({**verdicts, **_verdict(overall), "score": SCORE})


def _verdict(yardstick: str) -> dict[str, Any]:
    # What stands beside a field is what small models read.
    question = yardstick if yardstick.endswith("?") else f"How well did the agent do by this: {yardstick.rstrip('.')}?"
    reasoning = {"type": "string", "description": question} if len(question) <= LONGEST_QUESTION else {"type": "string"}
    return {"reasoning": reasoning, "passed": {"type": "boolean"}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _example(numbers: list[str]) -> str:
    verdict = '{"reasoning": "…", "passed": true or false}'
    verdicts = ", ".join(f'"{number}": {verdict}' for number in numbers)
    overall = '"reasoning": "…", "passed": true or false, "score": a number from 0 to 1'
    return f'{{"criteria": {{{verdicts}}}, {overall}}}' if numbers else f"{{{overall}}}"
