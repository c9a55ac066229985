"""The language of one call: what its agent says of itself in it, and what of the people's words only shows they listen.

Where there are no words for something yet, the agent is silent. English with a voice of another language would be
worse than nothing, and a translation that is made when it is needed would keep the caller waiting: it is fetched from
where it is kept, and if it is not there yet, made for later.
"""

import asyncio
import io
import logging

from calls.agent_config import AgentConfig
from calls.database.engine import Database
from calls.phrases import Phrases, Translation, ask_for_translation, merged, translation_key, written
from calls.recordings.storage import Storage
from calls.settings import Settings
from worker.room.persistence import Persistence
from worker.words import Signs

logger = logging.getLogger(__name__)

LOOK_S = 1.0
LONGEST_S = 5.0  # between two looks for what is not there yet


class Language:
    """Of the phrases the agent's own where it has them, else ours, else those that were translated."""

    def __init__(self, agent: AgentConfig) -> None:
        ours = written(agent.language)
        self._name = agent.language or ""
        self._own = agent.phrases
        self._phrases = merged(self._own, ours or Phrases())
        self._signs = Signs(agent.language)
        self.is_known = ours is not None

    def phrase(self, key: str) -> str | None:
        """The phrase of that name in `Phrases`; None if nothing is to be said."""
        return getattr(self._phrases, key) or None

    def phrases(self) -> list[str]:
        """All of them that there are by now."""
        return [text for text in self._phrases.model_dump().values() if text]

    def wants_silence(self, key: str) -> bool:
        """Whether the agent is to say nothing then, instead of that there are no words for it yet."""
        return bool(getattr(self._phrases, key) == "")

    def only_listens(self, text: str) -> bool:
        """Whether who says this while another speaks wants that one to go on."""
        return self._signs.are_all_of(text)

    async def learn(self, settings: Settings, database: Database, persistence: Persistence) -> None:
        """Return once the translation is here, which may be never."""
        key = translation_key(self._name, settings)
        storage = await asyncio.to_thread(Storage, settings)
        translation = await _fetched(storage, key)
        if translation is None:

            async def ask() -> None:
                async with database.writing() as conn:
                    await ask_for_translation(conn, self._name)

            await persistence.persist(ask)
        pause_s = LOOK_S
        while translation is None:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_S)
            translation = await _fetched(storage, key)
        self._phrases = merged(self._own, translation.phrases)
        self._signs = Signs(self._name, translation.listening)
        self.is_known = True


async def _fetched(storage: Storage, key: str) -> Translation | None:
    file = io.BytesIO()
    try:
        await storage.fetch(key, file)
        return Translation.model_validate_json(file.getvalue())
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, a call goes on without
        logger.warning("a translation could not be fetched", extra={"error": type(error).__name__})
        return None
