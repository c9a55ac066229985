"""What happens after a call: the `post_call` sections of agents and calls, how they merge, and asking for it again."""

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.errors import Invalid, NotFound
from calls.states import CallStatus, IntelligenceStatus
from calls.tables import agents, calls

Section = Literal["recording", "summary", "structured_extraction", "evaluation"]
SECTIONS: tuple[Section, ...] = ("recording", "summary", "structured_extraction", "evaluation")
# The sections that read the transcript.
ANALYSES = frozenset(SECTIONS) - {"recording"}

ANALYSIS_ATTEMPTS = 8  # with the queue's backoff, a model's server may be away for four minutes
MAX_SCHEMA_DEPTH = 32
MAX_SCHEMA_NODES = 5000

Text = Annotated[str, Field(max_length=20_000)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enabled: StrictBool | None = None


class RecordingSection(_Section):
    """On with `enabled: true`."""


class SummarySection(_Section):
    """Summary and sentiment, on with `enabled: true`; `prompt` says what to look at."""

    prompt: Text | None = None


class ExtractionSection(_Section):
    """Data out of the call, on with a `json_schema`; `prompt` adds to what the schema says."""

    json_schema: dict[str, Any] | None = None
    prompt: Text | None = None

    @field_validator("json_schema")
    @classmethod
    def _check(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema:
            check_schema(schema)
        return schema


class EvaluationSection(_Section):
    """A judgement of the agent, on with a `rubric` or `criteria`."""

    rubric: Text | None = None
    criteria: Text | None = None


class PostCall(BaseModel):
    """The `post_call` object of an agent or a call; a section that is null, `{}` or `enabled: false` is off."""

    model_config = ConfigDict(extra="forbid")

    recording: RecordingSection | None = None
    summary: SummarySection | None = None
    structured_extraction: ExtractionSection | None = None
    evaluation: EvaluationSection | None = None


def check_schema(schema: dict[str, Any]) -> None:
    """Raise ValueError unless this is a JSON Schema of an object that needs nothing from elsewhere."""
    references = _references(schema)
    if schema.get("type", "object") != "object":
        raise ValueError('expected a JSON Schema of an object ("type": "object")')
    if any(not reference.startswith("#") for reference in references):
        raise ValueError('expected "$ref" to point into this schema ("#/…")')
    validator = validator_for(schema, default=Draft202012Validator)
    try:
        validator.check_schema(schema, format_checker=validator.FORMAT_CHECKER)
    except SchemaError as error:
        where = "".join(f"[{part!r}]" for part in error.absolute_path)
        raise ValueError(f"expected a valid JSON Schema; at schema{where}: {error.message[:200]}") from error
    except RecursionError as error:
        raise ValueError("expected a JSON Schema that does not refer to itself without end") from error


def _references(schema: dict[str, Any]) -> list[str]:
    """Every `$ref` of the schema; refuses one too deep or too large before anything recurses into it."""
    references: list[str] = []
    todo: list[tuple[Any, int]] = [(schema, 1)]
    for nodes, (node, depth) in enumerate(todo, 1):  # the list grows while it is walked
        if depth > MAX_SCHEMA_DEPTH:
            raise ValueError(f"expected a JSON Schema of at most {MAX_SCHEMA_DEPTH} levels")
        if nodes > MAX_SCHEMA_NODES:
            raise ValueError(f"expected a JSON Schema of at most {MAX_SCHEMA_NODES} values")
        if isinstance(node, dict):
            references += [str(node[key]) for key in ("$ref", "$dynamicRef") if isinstance(node.get(key), str)]
            todo += [(value, depth + 1) for value in node.values()]
        elif isinstance(node, list):
            todo += [(value, depth + 1) for value in node]
    return references


def merge(default: dict[str, Any] | None, override: dict[str, Any] | None) -> dict[str, Any]:
    """The sections of a call: the agent's, each overridden key by key; an override of null or `{}` is off."""
    merged = dict(default or {})
    for section, values in (override or {}).items():
        merged[section] = {**(merged.get(section) or {}), **values} if values else values
    return merged


def sections_on(post_call: dict[str, Any] | None) -> set[Section]:
    """Which sections of a resolved `post_call` are to be made."""
    return {name for name in SECTIONS if _is_on(name, (post_call or {}).get(name) or {})}


def _is_on(name: Section, section: dict[str, Any]) -> bool:
    if section.get("enabled") is False:
        return False
    match name:
        case "recording" | "summary":
            return section.get("enabled") is True
        case "structured_extraction":
            return bool(section.get("json_schema"))
        case "evaluation":
            return bool(rubric_of(section))


def rubric_of(evaluation: dict[str, Any]) -> str:
    """What the agent is judged by: `rubric`, `criteria`, or both."""
    texts = [(evaluation.get(name) or "").strip() for name in ("rubric", "criteria")]
    return "\n\n".join(text for text in texts if text)


def transcribed(agent: dict[str, Any]) -> bool:
    """Whether calls of this agent (its config, or a call's snapshot) have a transcript at all."""
    return bool((agent.get("features") or {}).get("transcription_enabled", True))


async def reprocess(conn: AsyncConnection, tenant_id: str, call_id: str) -> int:
    """Queue the post-call work of a completed call again, with the agent's sections of today; returns the job's id.

    What the call itself had overridden stays overridden. Raises NotFound, or Invalid if the call is not completed.
    """
    call = (await conn.execute(sa.select(calls).where(calls.c.id == call_id, calls.c.tenant_id == tenant_id))).first()
    if call is None:
        raise NotFound("no such call")
    if call.status != CallStatus.COMPLETED:
        raise Invalid(f"only a completed call can be reprocessed; this one is {call.status}")
    config = (await conn.execute(sa.select(agents.c.config).where(agents.c.id == call.agent_id))).scalar_one()
    overrides = _overrides(call.agent.get("post_call") or {}, call.post_call)
    values: dict[str, Any] = {"post_call": merge(config.get("post_call"), overrides)}
    if transcribed(call.agent) and sections_on(values["post_call"]) & ANALYSES:
        values["intelligence_status"] = IntelligenceStatus.PENDING
    await conn.execute(sa.update(calls).where(calls.c.id == call_id).values(values))
    return await queue_analysis(conn, tenant_id, call_id, dedup=f"reprocess:{call_id}")


async def queue_analysis(conn: AsyncConnection, tenant_id: str, call_id: str, *, dedup: str) -> int:
    """Queue the job that closes a call's transcript and makes what is on; jobs of one call run one after the other."""
    return await jobs.enqueue(
        conn,
        "post_call",
        {"call_id": call_id},
        queue="post_call",
        tenant_id=tenant_id,
        call_id=call_id,
        ordering_key=f"post_call:{call_id}",
        dedup=dedup,
        max_attempts=ANALYSIS_ATTEMPTS,
    )


def _overrides(default: dict[str, Any], resolved: dict[str, Any]) -> dict[str, Any]:
    """What the call had said for itself: where its sections differ from those of its agent at the time."""
    overrides: dict[str, Any] = {}
    for section, values in resolved.items():
        given = default.get(section) or {}
        own = {key: value for key, value in (values or {}).items() if key not in given or given[key] != value}
        if own or (given and not values):
            overrides[section] = own or values
    return overrides
