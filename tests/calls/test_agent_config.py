"""An agent's configuration: read back as it was kept, and none of it is kept for nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from calls.agent_config import AgentConfig, AgentSnapshot
from calls.config import Config
from calls.providers.choice import FIRST, KINDS, Voice

ROOT = Path(__file__).parents[2]
DEFINED = ROOT / "calls/agent_config.py"
READERS = ("worker", "pipeline", "calls", "api")
# What a variable or attribute with an agent's configuration is called.
NAMES = {"agent", "config", "stored"}
# These are read by kind, `agent.choices[kind]`; what a single field says is in the list when it is read.
CHOICES = {*KINDS, *FIRST}
# These the database reads itself, of many agents at once: `calls/privacy/retention.py`.
READ_IN_SQL = {"retention_days.recordings", "retention_days.transcripts"}


def fields(model: type[Config], before: str = "") -> Iterator[str]:
    """The dotted name of each field; `post_call`, into which `test_post_call.py` looks, and `phrases` count as one."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if name not in {"post_call", "phrases"} and isinstance(inner, type) and issubclass(inner, Config):
            yield from fields(inner, f"{before}{name}.")
        else:
            yield before + name


def read_by_the_code() -> set[str]:
    """What is read of agents: `agent.features.redact`, `AgentSnapshot.stored(row.agent).features.redact`."""
    files = [file for folder in READERS for file in (ROOT / folder).rglob("*.py") if file != DEFINED]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    chains = [chain(node) for node in nodes if isinstance(node, ast.Attribute)]
    return {".".join(names[place:]) for names in chains for place in range(1, len(names)) if is_agent(names[place - 1])}


def is_agent(name: str) -> bool:
    return name.lstrip("_") in NAMES


def chain(node: ast.expr) -> list[str]:
    match node:
        case ast.Attribute(value=value, attr=name):
            return [*chain(value), name]
        case ast.Call(func=function):
            return chain(function)
        case ast.Name(id=name):
            return [name]
        case _:
            return [""]


def test_every_field_has_a_reader():
    read = read_by_the_code()
    assert "choices" in read
    assert set(fields(AgentConfig)) - read - CHOICES == READ_IN_SQL


def test_a_row_with_a_few_keys_is_read_with_every_default():
    agent = AgentSnapshot.stored({"id": "1", "name": "Ada", "features": {}, "post_call": {"summary": None}})
    assert (agent.id, agent.name) == ("1", "Ada")
    assert (agent.max_duration_s, agent.features.transcription_enabled) == (3600, True)
    assert agent.config() == AgentConfig().config() | {"post_call": {"summary": None}}


def test_what_is_kept_is_read_back_as_it_was():
    given = {
        "system_prompt": "Be short.",
        "voice": "ash",
        "features": {"transcription_enabled": False, "redact": ["card"]},
        "retention_days": {"recordings": 30},
        "post_call": {"summary": {"enabled": True}, "evaluation": {}},
    }
    kept = AgentConfig.model_validate(given).config()
    assert kept["post_call"] == given["post_call"]
    assert AgentConfig.stored(kept).config() == kept


def test_a_field_of_a_newer_version_is_refused_from_a_client_and_left_out_of_a_row():
    newer = {"mood": "good", "features": {"mood": "good"}, "post_call": {"mood": {}}}
    with pytest.raises(ValidationError) as caught:
        AgentConfig.model_validate(newer)
    assert {error["loc"] for error in caught.value.errors()} == {("mood",), ("features", "mood"), ("post_call", "mood")}
    assert AgentConfig.stored(newer) == AgentConfig()


def test_a_value_that_this_version_does_not_know_is_left_out_of_a_row_and_nothing_beside_it():
    other = {"voice": "ash", "tts_provider": "Some body", "features": {"redact": ["iban", "card", "name"]}}
    with pytest.raises(ValidationError):
        AgentConfig.model_validate(other)
    read = AgentConfig.stored(other)
    assert (read.tts, read.features.redact) == ([Voice(voice="ash")], ["card"])
    assert other["tts_provider"] == "Some body", "what a row keeps is not changed by reading it"
