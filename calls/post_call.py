"""What is made of a call when it is over: the `post_call` sections of agents and calls, and how they merge."""

from typing import Annotated, Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from calls.config import Config, is_stored

Section = Literal["recording", "summary", "structured_extraction", "evaluation"]
SECTIONS: tuple[Section, ...] = ("recording", "summary", "structured_extraction", "evaluation")
RecordingFormat = Literal["wav", "ogg"]
# The sections that read the transcript.
ANALYSES = frozenset(SECTIONS) - {"recording"}

MAX_SCHEMA_DEPTH = 32
MAX_SCHEMA_NODES = 5000

Text = Annotated[str, Field(max_length=20_000)]


class _Section(Config):
    enabled: bool | None = None

    @property
    def is_on(self) -> bool:
        """Whether it is to be made."""
        return self.enabled is True


class RecordingSection(_Section):
    """On with `enabled: true`; `format` is what kind of file it becomes."""

    format: RecordingFormat = "wav"


class SummarySection(_Section):
    """Summary and sentiment, on with `enabled: true`; `prompt` says what to look at."""

    prompt: Text | None = None


class ExtractionSection(_Section):
    """Data out of the call, on with a `json_schema`; `prompt` says what to look for, else the schema does."""

    json_schema: dict[str, Any] | None = None
    prompt: Text | None = None

    @field_validator("json_schema")
    @classmethod
    def _check(cls, schema: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        if schema and not is_stored(info):
            check_schema(schema)
        return schema

    @property
    @override
    def is_on(self) -> bool:
        return self.enabled is not False and bool(self.json_schema)


class EvaluationSection(_Section):
    """A judgement of the agent, on with a `rubric` or `criteria`."""

    rubric: Text | None = None
    criteria: Text | None = None

    @property
    @override
    def is_on(self) -> bool:
        return self.enabled is not False and bool(self.yardstick)

    @property
    def yardstick(self) -> str:
        """What the agent is judged by: `rubric`, `criteria`, or both."""
        texts = [(text or "").strip() for text in (self.rubric, self.criteria)]
        return "\n\n".join(text for text in texts if text)


class PostCall(Config):
    """The `post_call` object of an agent or a call; a section that is null, `{}` or `enabled: false` is off."""

    recording: RecordingSection | None = None
    summary: SummarySection | None = None
    structured_extraction: ExtractionSection | None = None
    evaluation: EvaluationSection | None = None

    @property
    def on(self) -> set[Section]:
        """Which sections are to be made."""
        sections = {name: getattr(self, name) for name in SECTIONS}
        return {name for name, section in sections.items() if section is not None and section.is_on}

    def given(self) -> dict[str, Any]:
        """The sections as JSON, as they were given: nothing is added to them."""
        return self.model_dump(exclude_unset=True)


def merge(default: PostCall, override: PostCall | None) -> PostCall:
    """The sections of a call: the agent's, each overridden key by key; an override of null or `{}` is off."""
    merged = default.given()
    for section, values in (override.given() if override else {}).items():
        merged[section] = {**(merged.get(section) or {}), **values} if values else values
    return PostCall.stored(merged)


def overrides(default: PostCall, resolved: PostCall) -> PostCall:
    """What a call had said for itself: where its sections differ from those of its agent at the time."""
    given, said = default.given(), {}
    for section, values in resolved.given().items():
        before = given.get(section) or {}
        own = {key: value for key, value in (values or {}).items() if key not in before or before[key] != value}
        if own or (before and not values):
            said[section] = own or values
    return PostCall.stored(said)


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
