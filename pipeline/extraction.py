"""Data out of a call, as the JSON schema of the user says."""

from typing import Any

import prompts
from pipeline.llm import Answer, Llm, Question


async def extract(llm: Llm, section: dict[str, Any], transcript: str) -> Answer:
    """Ask for an object that is valid against the section's `json_schema`; its `prompt` adds to that."""
    schema = {"type": "object", **section["json_schema"]}
    focus = f"\n{section['prompt']}\n" if section.get("prompt") else ""
    instructions, _ = prompts.render(prompts.load("extraction"), {"schema": schema, "focus": focus})
    return await llm.ask(Question("extraction", instructions, schema), transcript)
