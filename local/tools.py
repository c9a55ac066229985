"""Tool calls for models that were never taught any: first the choice of an action, then its arguments."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from local.schemas import in_words

Message = dict[str, Any]
Choice = str | dict[str, Any]
"""`auto`, `none`, `required`, or the one function to call, as in OpenAI's `tool_choice`."""
Ask = Callable[[list[Message], dict[str, Any], int], Awaitable[dict[str, Any]]]
"""(messages, schema, most tokens) -> the model's answer, which fits the schema."""

_REPLY = "reply"


async def called_tool(
    ask: Ask, messages: list[Message], tools: list[dict[str, Any]], choice: Choice
) -> tuple[str, dict[str, Any]] | None:
    """Name and arguments of the tool to call now; none if the model should just answer."""
    functions = {tool["function"]["name"]: tool["function"] for tool in tools}
    name = await _chosen(ask, messages, functions, choice)
    if name is None:
        return None
    schema = functions[name].get("parameters") or {}
    if not schema.get("properties"):
        return name, {}
    task = f"Give the arguments of {name}. {in_words(schema)}"
    return name, await ask([*messages, {"role": "system", "content": task}], schema, 300)


async def _chosen(ask: Ask, messages: list[Message], functions: dict[str, Any], choice: Choice) -> str | None:
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    if choice == "none" or not functions:
        return None
    required = choice == "required"
    if required and len(functions) == 1:
        return next(iter(functions))
    if not required and (not messages or messages[-1].get("role") != "user"):
        return None  # a tool has just answered, or the agent opens the call: there is something to say
    names = [*functions, *([] if required else [_REPLY])]
    schema = {
        "type": "object",
        "properties": {"action": {"type": "string", "enum": names}},
        "required": ["action"],
        "additionalProperties": False,
    }
    answer = await ask([*_examples(functions, names), messages[-1]], schema, 40)
    return None if answer["action"] == _REPLY else str(answer["action"])


def _examples(functions: dict[str, Any], names: list[str]) -> list[Message]:
    """A few worked choices: a tiny model copies, it does not reason."""
    says = {name: function.get("description") or name.replace("_", " ") for name, function in functions.items()}
    actions = "; ".join(f"{name} = {text}" for name, text in says.items())
    task = (
        f"Choose the action for what the caller says. Actions: {actions}; "
        f"{_REPLY} = answer a question, greet, thank or chat."
    )
    worked = [("Hello!", _REPLY), ("When do you open?", _REPLY), ("I would like to know more.", _REPLY)]
    worked += [(f"Please {text[:1].lower()}{text[1:].rstrip('.')}.", name) for name, text in says.items()]
    worked += [("What do you think?", _REPLY), ("My name is Anna.", _REPLY), ("Yes, please.", _REPLY)]
    messages: list[Message] = [{"role": "system", "content": task}]
    for said, action in worked:
        if action in names:
            messages.append({"role": "user", "content": said})
            messages.append({"role": "assistant", "content": json.dumps({"action": action})})
    return messages
