"""The judgement of the agent by the user's rubric."""

import prompts
from calls.post_call import EvaluationSection
from pipeline.llm import Answer, Llm, LlmFailed, Question

SCHEMA = {
    "type": "object",
    "properties": {
        "reasoning": {"type": "string"},
        "passed": {"type": "boolean"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["reasoning", "passed", "score"],
    "additionalProperties": False,
}


async def evaluate(llm: Llm, section: EvaluationSection, transcript: str) -> Answer:
    """Ask for {"passed", "score" from 0 to 1, "reasoning"}."""
    instructions, _ = prompts.render(prompts.load("evaluation"), {"rubric": section.yardstick})
    answer = await llm.ask(Question("evaluation", instructions, SCHEMA, strict=True), transcript)
    if not answer.value["reasoning"].strip():
        raise LlmFailed("The model gave no reasoning.")
    return answer
