"""LiveKit's plugins as providers: what the one of a name takes, and how it is made.

`python -m worker.plugins NAME` prints as JSON what the plugin can do, for the api, which does not import LiveKit:
`{"stt" | "llm" | "tts": {"model", "voice", "language": the name of that argument or null, "schema": of all of them}}`.
"""

import importlib
import importlib.metadata
import inspect
import json
import logging
import re
import sys
import typing
from contextlib import redirect_stdout
from types import ModuleType, UnionType
from typing import Any, ForwardRef, NamedTuple, NotRequired, Union, cast

from livekit.agents import NotGiven
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from typing_extensions import TypedDict, evaluate_forward_ref

from calls.providers.choice import KINDS, Choice, Kind

logger = logging.getLogger(__name__)

PACKAGE = "livekit-plugins-"
_NO_PROVIDERS = frozenset({"silero", "turn-detector", "noise-cancellation"})
# What plugins call the arguments that our own fields are for.
_MODEL = ("model", "model_id", "model_name")
_VOICE = ("voice", "voice_id", "voice_name", "speaker", "speaker_id", "reference_id")
_LANGUAGE = ("language", "language_code", "lang")
# Arguments that are the operator's alone: keys, and where they, and what was said, are sent or kept.
_OPERATORS = frozenset(
    {"key", "keys", "apikey", "token", "secret", "password", "auth", "credential", "credentials", "headers"}
    | {"url", "uri", "host", "endpoint", "address", "base", "proxy", "client", "session", "file", "path", "dir"}
)


class UnusableProvider(Exception):
    """A provider that an agent has chosen cannot be used: which, and why, without what was given."""

    def __init__(self, kind: Kind, name: str, why: str) -> None:
        super().__init__(f"{name} ({kind}): {why}")
        self.kind = kind
        self.name = name
        self.why = why


class Constructor(NamedTuple):
    """What makes a provider of one kind, and its arguments."""

    make: type
    arguments: TypeAdapter[dict[str, Any]]
    names: frozenset[str]

    @classmethod
    def of(cls, make: type) -> "Constructor":
        """Read from the signature; of an argument whose type is no JSON, as a client, nothing is known to users."""
        fields: dict[str, Any] = {}
        for one in list(inspect.signature(make).parameters.values()):
            if one.kind in {one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY} or _is_operators(one.name):
                continue
            given = _as_json(_annotation(make, one))
            if given is not None:
                fields[one.name] = given if one.default is one.empty else NotRequired[given]
        shape = TypedDict("shape", fields)  # type: ignore[misc] # made from what is found
        shape.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined] # what pydantic looks for
        return cls(make, cast("TypeAdapter[dict[str, Any]]", TypeAdapter(shape)), frozenset(fields))

    def named(self, candidates: tuple[str, ...]) -> str | None:
        """What this one calls an argument."""
        return next((name for name in candidates if name in self.names), None)

    def described(self) -> dict[str, Any]:
        """As the module says."""
        return {
            "model": self.named(_MODEL),
            "voice": self.named(_VOICE),
            "language": self.named(_LANGUAGE),
            "schema": self.arguments.json_schema(),
        }

    def given(self, choice: Choice, language: str | None) -> dict[str, Any]:
        """The arguments that an agent has chosen; ValidationError if it takes no such thing."""
        own = {
            self.named(_MODEL): choice.model,
            self.named(_VOICE): getattr(choice, "voice", None),
            self.named(_LANGUAGE): language,
        }
        said = {name: value for name, value in own.items() if name is not None and value is not None}
        return self.arguments.validate_python(choice.options | said)


def installed() -> dict[str, str]:
    """The installed plugins: the module of each by the name that agents use."""
    names = {one.metadata["Name"].lower().replace("_", "-") for one in importlib.metadata.distributions()}
    plugins = sorted(name.removeprefix(PACKAGE) for name in names if name.startswith(PACKAGE))
    return {name: f"livekit.plugins.{name.replace('-', '_')}" for name in plugins if name not in _NO_PROVIDERS}


def preload() -> None:
    """Import every plugin that is installed: in a call there is no time for that, and it must be the main thread."""
    for name in installed():
        try:
            _load(name)
        except Exception:  # noqa: BLE001 # whatever it is, calls go on without
            logger.warning("a plugin cannot be imported", extra={"plugin": name})


def constructor(name: str, kind: Kind) -> Constructor:
    """What makes this kind of provider of the plugin; UnusableProvider if there is none."""
    try:
        module = _load(name)
    except Exception as error:
        raise UnusableProvider(kind, name, type(error).__name__) from error
    make = getattr(module, kind.upper(), None)
    if not isinstance(make, type):
        raise UnusableProvider(kind, name, "it has none")
    return Constructor.of(make)


def make(kind: Kind, choice: Choice, language: str | None) -> Any:  # noqa: ANN401 # a provider of that kind
    """The provider that an agent has chosen of a plugin, with the plugin's own key from the environment."""
    name = choice.provider or ""
    found = constructor(name, kind)
    try:
        return found.make(**found.given(choice, language))
    except ValidationError as error:
        raise UnusableProvider(kind, name, _wrong(error)) from error
    except Exception as error:
        raise UnusableProvider(kind, name, type(error).__name__) from error


def _wrong(error: ValidationError) -> str:
    names = [str(one["loc"][0]) for one in error.errors() if one["loc"]]
    return f"it does not take {', '.join(dict.fromkeys(names)) or 'the options'}"


def _load(name: str) -> ModuleType:
    return importlib.import_module(installed()[name.replace("_", "-")])


def _is_operators(name: str) -> bool:
    return name.startswith("_") or not _OPERATORS.isdisjoint(re.split(r"_+", name.lower()))


def _annotation(make: type, argument: inspect.Parameter) -> Any:  # noqa: ANN401 # a type
    given = argument.annotation
    if given is argument.empty:
        return Any
    if not isinstance(given, str):
        return given
    try:
        names = make.__init__.__globals__  # type: ignore[misc] # of this very class: it is no instance
        return evaluate_forward_ref(ForwardRef(given), globals=names)
    except Exception:  # noqa: BLE001 # imported for type checkers alone, say
        return Any


def _as_json(annotation: Any) -> Any:  # noqa: ANN401 # types
    """The part of a type that JSON can be, None if there is no such part."""
    parts = typing.get_args(annotation) if typing.get_origin(annotation) in {Union, UnionType} else (annotation,)
    wanted = [part for part in parts if part is not NotGiven and _is_json(part)]
    if not [part for part in wanted if part is not type(None)]:
        return None
    return Union[tuple(wanted)]  # noqa: UP007 # of as many as there are


def _is_json(annotation: Any) -> bool:  # noqa: ANN401 # a type
    try:
        TypeAdapter(annotation).json_schema()
    except (PydanticUserError, TypeError, NameError):
        return False
    return True


def describe(name: str) -> dict[str, Any]:
    """As the module says."""
    described: dict[str, Any] = {}
    for kind in KINDS:
        try:
            described[kind] = constructor(name, kind).described()
        except UnusableProvider:
            continue
    return described


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # a plugin may greet whoever imports it
        about = describe(sys.argv[1])
    sys.stdout.write(json.dumps(about))
