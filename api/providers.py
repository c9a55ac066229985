"""Whether the providers that an agent names are there, and know what is wanted of them: asked when it is saved."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from aiohttp import web

from api.catalogue import Catalogue, Model
from api.plugins import Description, Plugins
from api.routing import SETTINGS
from calls.agent_config import AgentConfig
from calls.errors import FieldError, Invalid
from calls.providers.choice import FIRST, KINDS, Choice, Kind, Voice
from calls.providers.endpoints import SET_BY_US, Endpoint, endpoints, own_provider
from calls.settings import Settings

CATALOGUE = web.AppKey("catalogue", Catalogue)
PLUGINS = web.AppKey("plugins", Plugins)

SHOWN = 12  # of the names that were expected
_WHAT = {"stt": "speech recognition", "llm": "language model", "tts": "voice"}


async def open_providers(app: web.Application) -> AsyncIterator[None]:
    """What they have is asked of nobody before an agent or a user asks (a `cleanup_ctx`)."""
    app[CATALOGUE], app[PLUGINS] = Catalogue(), Plugins()
    yield


async def check(app: web.Application, agent: AgentConfig, given: Collection[str]) -> None:
    """Raise Invalid, which names each field, if a provider of the agent is not known or does not know something.

    Args:
        app: the application.
        agent: the whole agent as it is to be saved.
        given: the fields of the request, which alone are looked at, and by whose names the client knows them.
    """
    looked_at = {kind for name, (kind, _) in FIRST.items() if {name, kind} & set(given)}
    if "language" in given:
        looked_at |= {"stt", "tts"}
    errors: list[FieldError] = []
    for kind in KINDS:
        if kind in looked_at:
            for place, choice in enumerate(agent.choices[kind] or [Choice()]):
                one = _Chosen(app[SETTINGS], app[CATALOGUE], app[PLUGINS], kind, place, choice, agent.language, given)
                errors += await one.errors()
    if errors:
        raise Invalid(f"{errors[0].path}: {errors[0].message}", errors)


async def check_voice(app: web.Application, voice: Voice) -> None:
    """The same for one voice that is no agent's yet: each field by its own name."""
    one = _Chosen(app[SETTINGS], app[CATALOGUE], app[PLUGINS], "tts", 0, voice, None, ())
    errors = [FieldError(found.path.removeprefix("tts[0]."), found.message) for found in await one.errors()]
    if errors:
        raise Invalid(f"{errors[0].path}: {errors[0].message}", errors)


@dataclass(frozen=True)
class _Chosen:
    """One choice of an agent, with what is needed to judge it."""

    settings: Settings
    catalogue: Catalogue
    plugins: Plugins
    kind: Kind
    place: int
    choice: Choice
    language: str | None
    given: Collection[str]

    @property
    def name(self) -> str:
        return self.choice.provider or own_provider(self.settings, self.kind)

    @property
    def voice(self) -> str | None:
        return self.choice.voice if isinstance(self.choice, Voice) else None

    async def errors(self) -> list[FieldError]:
        known = endpoints(self.settings, self.kind)
        place = known.get(self.name)
        if place is not None:
            return [*self._of_place(place), *await self._of_names(place), *await self._of_options(place)]
        description = await self.plugins.describe(self.name)
        if description is None:
            names = ", ".join(sorted(known))
            return [self._error("provider", f"expected {names}, or the name of an installed LiveKit plugin")]
        return self._of_plugin(description)

    def _of_place(self, place: Endpoint) -> list[FieldError]:
        if place.lacks is None or self.choice.provider is None:
            return []
        return [self._error("provider", f"expected one with a key: {place.lacks} is not set")]

    async def _of_names(self, place: Endpoint) -> list[FieldError]:
        """What the provider says that it does not have."""
        if not (self.choice.model or self.voice or (self.language and self.kind == "stt")):
            return []
        listed = await self.catalogue.ask(self.kind, place)
        match self.kind:
            case "llm":
                return self._unknown("model", self.choice.model, listed.llm)
            case "tts":
                if place.protocol == "deepgram":
                    return self._unknown(
                        "voice" if self.voice else "model", self.voice or self.choice.model, listed.voices
                    )
                return self._unknown("voice", self.voice, listed.voices)
            case "stt":
                return self._unknown("model", self.choice.model, listed.stt) or self._foreign(place, listed.stt)

    def _unknown(self, attribute: str, wanted: str | None, known: tuple[Model, ...] | None) -> list[FieldError]:
        if wanted is None or not known or any(wanted in one.names for one in known):
            return []
        names = _some(sorted({one.names[0] for one in known}))
        return [self._error(attribute, f"{self.name} does not know it; expected {names}")]

    def _foreign(self, place: Endpoint, known: tuple[Model, ...] | None) -> list[FieldError]:
        model = self.choice.model or place.model
        able = [one for one in known or () if model in one.names]
        if self.language is None or not able or any(one.speaks(self.language) for one in able):
            return []
        languages = _some(sorted(frozenset[str]().union(*(one.languages for one in able))))
        return [FieldError("language", f"{model} of {self.name} does not know it; expected {languages}")]

    async def _of_options(self, place: Endpoint) -> list[FieldError]:
        if not self.choice.options:
            return []
        description = await self.plugins.describe(place.protocol) or {}
        about = description.get(self.kind)
        if about is None:
            return [self._error("options", "none can be checked here: expected {}")]
        ours = {about[field] for field in ("model", "voice", "language")} | SET_BY_US
        return self._of_arguments(about, self.choice.options, ours)

    def _of_plugin(self, description: Description) -> list[FieldError]:
        about = description.get(self.kind)
        if about is None:
            able = ", ".join(description) or "nothing that can be imported"
            return [self._error("provider", f"the plugin {self.name} has no {_WHAT[self.kind]}; it has {able}")]
        said = {"model": self.choice.model, "voice": self.voice}
        errors = [
            self._error(field, f"{self.name} takes none")
            for field, value in said.items()
            if value is not None and about[field] is None
        ]
        mapped = {about[field]: value for field, value in said.items() if about[field] and value is not None}
        if about["language"] and self.language:
            mapped[about["language"]] = self.language
        if both := sorted(mapped.keys() & self.choice.options.keys()):
            errors.append(self._error(f"options.{both[0]}", "expected here or as the field for it, not both"))
        return errors + self._of_arguments(about, self.choice.options | mapped, set())

    def _of_arguments(
        self,
        about: Mapping[str, Any],
        arguments: dict[str, Any],
        ours: Collection[str | None],
    ) -> list[FieldError]:
        schema = about["schema"]
        takes = sorted(name for name in schema["properties"] if name not in ours)
        fields = {about["model"]: "model", about["voice"]: "voice", about["language"]: "language"}
        errors = [
            self._error(f"options.{name}", f"{self.name} takes no such option; expected {_some(takes)}")
            for name in arguments
            if name not in takes
        ]
        known = {name: value for name, value in arguments.items() if name in takes}
        judge = jsonschema_rs.validator_for(schema, offline=True)
        for found in judge.iter_errors(known):
            first, *rest = [*found.instance_path, ""]
            field = fields.get(str(first)) if first in (set(arguments) - set(self.choice.options)) else None
            message = _message(schema, found)
            if field == "language":
                errors.append(FieldError("language", f"{self.name}: {message}"))
            else:
                where = ".".join(str(part) for part in (first, *rest) if part != "")
                errors.append(self._error(field or f"options.{where}".rstrip("."), message))
        return errors

    def _error(self, attribute: str, message: str) -> FieldError:
        """By the name under which the client knows the field."""
        single = next((name for name, said in FIRST.items() if said == (self.kind, attribute)), None)
        is_single = self.place == 0 and single in self.given and self.kind not in self.given
        return FieldError(single if single and is_single else f"{self.kind}[{self.place}].{attribute}", message)


def _message(schema: Mapping[str, Any], found: jsonschema_rs.ValidationError) -> str:
    """What was expected of an argument, in short; of what is within one, or is missing, as the judge says it."""
    [name, *within] = found.instance_path or [""]
    part = schema["properties"].get(name, {})
    alternatives = part.get("anyOf", [part])
    choices = [str(value) for one in alternatives for value in one.get("enum", ())]
    kinds = [str(one["type"]) for one in alternatives if "type" in one and "enum" not in one]
    if within or not (choices or kinds):
        return found.message
    return f"expected {' or '.join([*([f'one of {_some(choices)}'] if choices else []), *kinds])}"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{shown}, …" if len(names) > SHOWN else shown or "nothing"
