"""What agents say of themselves in a language that Callroom has no words for: asked for once, kept for all calls."""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from calls.agents import create_agent, update_agent
from calls.database.engine import DEFAULT_TENANT
from calls.jobs import Job, JobQueue
from calls.phrases import ENGLISH, QUEUE, Translation, translation_key
from pipeline import phrases
from pipeline.deps import Deps
from pipeline.fate import Done, Retry
from tests.conftest import MakeSettings
from tests.pipeline.patient import open_patient
from tests.providers import Providers

JAPANESE = {key: f"日本語で{number}" for number, key in enumerate(ENGLISH.model_dump())}
LISTENING = ["はい", "そうですね"]


@pytest.fixture
async def model() -> AsyncIterator[Providers]:
    async with Providers() as providers:
        yield providers


@pytest.fixture
async def deps(settings: MakeSettings, model: Providers) -> AsyncIterator[Deps]:
    async with open_patient(settings(llm_url=model.url)) as opened:
        yield opened


async def save(deps: Deps, **config: Any) -> str:
    async with deps.db.writing() as conn:
        return str((await create_agent(conn, DEFAULT_TENANT, "Aria", config)).id)


async def asked(deps: Deps) -> list[Job]:
    return await JobQueue(deps.db, "here", 60).claim(QUEUE, 10)


async def kept(deps: Deps, language: str) -> Translation:
    file = io.BytesIO()
    await deps.storage.fetch(translation_key(language, deps.settings), file)
    return Translation.model_validate_json(file.getvalue())


async def test_the_phrases_of_an_agent_are_translated_when_it_is_saved_and_once_for_all_agents(
    sqlite_url: str, deps: Deps, model: Providers
) -> None:
    model.answer({"phrases": JAPANESE, "listening": [*LISTENING, " "]})
    await save(deps, language="ja")
    agent_id = await save(deps, language="de-AT")
    async with deps.db.writing() as conn:
        await update_agent(conn, DEFAULT_TENANT, agent_id, {"language": "JA"})
    await save(deps)
    [job] = await asked(deps)
    assert await phrases.run(job, deps) == Done()
    assert (await kept(deps, "ja")).model_dump() == {"phrases": JAPANESE, "listening": LISTENING}
    [chat] = model.chats
    assert "ja" in chat.system
    assert str(ENGLISH.silence) in chat.last_user
    assert await phrases.run(job, deps) == Done()
    assert model.chats == [chat], "it is there"


@pytest.mark.parametrize(
    "answer",
    [
        ENGLISH.model_dump(),
        JAPANESE | {"sorry": "Sorry, could you say that again?"},
        JAPANESE | {"goodbye": "..."},
    ],
)
async def test_what_the_model_left_in_english_or_empty_is_not_kept(
    sqlite_url: str, deps: Deps, model: Providers, answer: dict[str, Any]
) -> None:
    model.answer({"phrases": answer, "listening": LISTENING})
    await save(deps, language="ja")
    [job] = await asked(deps)
    assert isinstance(await phrases.run(job, deps), Retry)
    with pytest.raises(FileNotFoundError):
        await kept(deps, "ja")
