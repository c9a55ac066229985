"""The summary of a call, with the caller's sentiment."""

import prompts
from calls.analysis.post_call import SummarySection
from pipeline.llm import Answer, Conversation, Form, Llm, LlmFailed, Question

SCHEMA = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "description": "Why did the caller call, and what was said and agreed?"},
        "sentiment": {"type": "string", "enum": ["positive", "neutral", "negative"]},
    },
    "required": ["summary", "sentiment"],
    "additionalProperties": False,
}


async def summarize(llm: Llm, section: SummarySection, conversation: Conversation) -> Answer:
    """Ask for {"summary", "sentiment"}; the section's `prompt` says what to look at."""
    focus = f"\n{section.prompt}\n" if section.prompt else ""
    instructions, _ = prompts.render(prompts.load("summary"), {"when": conversation.when, "focus": focus})
    answer = await llm.ask(Question(instructions, Form("summary", SCHEMA, strict=True)), conversation)
    if not answer.value["summary"].strip():
        raise LlmFailed("The model gave an empty summary.")
    return answer
