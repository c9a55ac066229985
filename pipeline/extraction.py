"""Data out of a call, as the JSON schema of the user says."""

from typing import Any

import prompts
from calls.post_call import ExtractionSection
from pipeline.llm import Answer, Conversation, Form, Llm, Question

DEEPEST = 5  # levels of fields that are told in words; the schema itself tells the rest

Schema = dict[str, Any]


async def extract(llm: Llm, section: ExtractionSection, conversation: Conversation) -> Answer:
    """Ask for an object that is valid against the section's `json_schema`.

    What to look for is the section's `prompt`, else what the schema says of its fields.
    """
    schema: Schema = {"type": "object", **(section.json_schema or {})}
    values = {"when": conversation.when, "task": section.prompt or task(schema), "schema": schema}
    instructions, _ = prompts.render(prompts.load("extraction"), values)
    return await llm.ask(Question(instructions, Form("extraction", schema)), conversation)


def task(schema: Schema) -> str:
    """What a schema asks for, in words: its description, and a line for each field."""
    about = schema.get("description") or "Extract this data from the call:"
    return "\n".join([str(about), "", *_fields(schema, schema, "")])


def _fields(part: Schema, root: Schema, indent: str) -> list[str]:
    lines: list[str] = []
    properties = part.get("properties")
    if not isinstance(properties, dict) or len(indent) >= 2 * DEEPEST:
        return lines
    for name, given in properties.items():
        field = _resolved(given, root)
        item = _resolved(field.get("items"), root)
        says = field.get("description") or item.get("description") or field.get("title") or str(name).replace("_", " ")
        lines.append(f"{indent}- {name} ({_kind(field, item)}): {says}")
        lines += _fields(field, root, indent + "  ") + _fields(item, root, indent + "  ")
    return lines


def _resolved(part: object, root: Schema) -> Schema:
    """The part, with what its `$ref` points to."""
    if not isinstance(part, dict):
        return {}
    reference = part.get("$ref")
    target: Any = root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return part
    for step in reference[2:].split("/"):
        target = target.get(step) if isinstance(target, dict) else None
    return {**target, **part} if isinstance(target, dict) else part


def _kind(field: Schema, item: Schema) -> str:
    if isinstance(choices := field.get("enum") or item.get("enum"), list):
        kind = "one of " + ", ".join(map(str, choices))
        return kind if "enum" in field else f"a list, each {kind}"
    kinds = field.get("type") or "anything"
    kind = " or ".join(map(str, kinds)) if isinstance(kinds, list) else str(kinds)
    if kind == "array":
        kind = f"list of {item.get('type') or 'anything'}"
    return f"{kind}, {field['format']}" if "format" in field else kind
