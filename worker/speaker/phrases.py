"""What the agent of one call says of itself, in the language of the call: where it has no words for it, it is silent.

English with a voice of another language would be worse than nothing, and a translation that is made when it is needed
would keep the caller waiting: it is fetched from where it is kept, and if it is not there yet, made for later.
"""

import asyncio
import io
import logging

from calls.agent_config import AgentConfig
from calls.database.engine import Database
from calls.phrases import Phrases, ask_for_translation, merged, translation_key, wants_translation, written
from calls.recordings.storage import Storage
from calls.settings import Settings
from worker.room.persistence import Persistence

logger = logging.getLogger(__name__)

LOOK_S = 1.0
LONGEST_S = 30.0  # between two looks for what is not there yet


class OwnPhrases:
    """Its own where it has them, else ours, else those that were translated."""

    def __init__(self, agent: AgentConfig) -> None:
        self._own = agent.phrases
        self._language = agent.language or ""
        self._phrases = merged(self._own, written(agent.language) or Phrases())
        self.is_complete = not wants_translation(agent.language, agent.phrases)

    def of(self, key: str) -> str | None:
        """The phrase of that name in `Phrases`; None if nothing is to be said."""
        return getattr(self._phrases, key) or None

    async def fetch(self, settings: Settings, database: Database, persistence: Persistence) -> None:
        """Return once the translation is here, which may be never."""
        key = translation_key(self._language, settings.llm_model)
        storage = await asyncio.to_thread(Storage, settings)
        translated = await _fetched(storage, key)
        if translated is None:

            async def ask() -> None:
                async with database.writing() as conn:
                    await ask_for_translation(conn, self._language)

            await persistence.persist(ask)
        pause_s = LOOK_S
        while translated is None:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_S)
            translated = await _fetched(storage, key)
        self._phrases = merged(self._own, translated)
        self.is_complete = True


async def _fetched(storage: Storage, key: str) -> Phrases | None:
    file = io.BytesIO()
    try:
        await storage.fetch(key, file)
        return Phrases.model_validate_json(file.getvalue())
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, a call goes on without
        logger.warning("the agent's phrases could not be fetched", extra={"error": type(error).__name__})
        return None
