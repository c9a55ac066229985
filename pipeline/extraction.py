"""Data out of a call, as the JSON schema of the user says."""

from collections.abc import Iterable, Iterator
from typing import Any

import prompts
from calls.analysis.post_call import ExtractionSection
from pipeline.llm import Answer, Conversation, Form, Llm, Question

DEEPEST = 5  # levels of fields that are told in words; the schema itself tells the rest
MOST_FIELDS = 200  # the same
MOST_TEXT = 20_000  # characters of their lines

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
    return "\n".join([str(about), "", *_first(_fields(schema, schema, "", frozenset()))])


def _first(lines: Iterable[str]) -> Iterator[str]:
    """Not all: a few `$ref`s that lead to one another can stand for millions of fields."""
    text = 0
    for told, line in enumerate(lines):
        text += len(line)
        if told == MOST_FIELDS or text > MOST_TEXT:
            yield "- and all the other fields of the schema"
            return
        yield line


def _fields(part: Schema, root: Schema, indent: str, inside: frozenset[str]) -> Iterator[str]:
    """A line for each field, those of what the `$ref`s `inside` lead to only once."""
    properties = part.get("properties")
    if not isinstance(properties, dict) or len(indent) >= 2 * DEEPEST:
        return
    for name, given in properties.items():
        field = _resolved(given, root)
        item = _resolved(field.get("items"), root)
        says = field.get("description") or item.get("description") or field.get("title") or str(name).replace("_", " ")
        yield f"{indent}- {name} ({_kind(field, item)}): {says}"
        references = {one["$ref"] for one in (field, item) if isinstance(one.get("$ref"), str)}
        if not references & inside:
            for inner in (field, item):
                yield from _fields(inner, root, indent + "  ", inside | references)


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
