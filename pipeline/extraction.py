"""Data out of a call, as the JSON schema of the user says."""

import prompts
from calls.post_call import ExtractionSection
from pipeline.llm import Answer, Llm, Question


async def extract(llm: Llm, section: ExtractionSection, transcript: str) -> Answer:
    """Ask for an object that is valid against the section's `json_schema`; its `prompt` adds to that."""
    schema = {"type": "object", **(section.json_schema or {})}
    focus = f"\n{section.prompt}\n" if section.prompt else ""
    instructions, _ = prompts.render(prompts.load("extraction"), {"schema": schema, "focus": focus})
    return await llm.ask(Question("extraction", instructions, schema), transcript)
