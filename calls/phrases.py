"""What an agent says of itself, beside what its model says: in four languages here, in any other once it is translated.

A translation is made by the language model that the settings name, kept in the storage, and shared by all calls in that
language: `translation_key` names it.
"""

import hashlib
import json
import re
from typing import Annotated

from pydantic import Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.config import Config
from calls.providers.endpoints import own_model
from calls.settings import Settings

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Sign = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
QUEUE, JOB = "phrases", "translate_phrases"


class Phrases(Config):
    """What it says when; null: our own words in the call's language, empty: nothing."""

    reminder: Phrase | None = Field(None, description="After `silence_reminder_s` of silence.")
    back: Phrase | None = Field(None, description="When it comes back to a call that it was lost from.")
    goodbye: Phrase | None = Field(None, description="When it hangs up without having said a word to that.")
    transfer: Phrase | None = Field(None, description="Before it sends a phone on.")
    moment: Phrase | None = Field(None, description="When it takes long to answer.")
    silence: Phrase | None = Field(None, description="After `silence_timeout_s` of silence, before it hangs up.")
    sorry: Phrase | None = Field(None, description="When it had no answer, or no voice for it.")
    unheard: Phrase | None = Field(None, description="When it cannot hear the people for a while.")
    failed: Phrase | None = Field(None, description="When a provider has failed for good, before the call ends.")
    credits_used_up: Phrase | None = Field(None, description="When the credits are used up, before the call ends.")


class Translation(Config):
    """What is known of another language: the phrases in it, and words by which people show that they listen."""

    phrases: Phrases
    listening: list[Sign] = Field([], max_length=100)


ENGLISH = Phrases(
    reminder="Are you still there?",
    back="Sorry, I was away for a moment.",
    goodbye="Goodbye.",
    transfer="One moment please, I'll connect you.",
    moment="One moment, please.",
    silence="I can't hear you any more, so I'll hang up now. Goodbye.",
    sorry="I'm sorry, I didn't get that. Could you say it again?",
    unheard="I'm sorry, I can't hear you at the moment. One moment, please.",
    failed="I'm sorry, something is wrong on our side. Please call again later. Goodbye.",
    credits_used_up="I'm sorry, the credit for this call is used up, so it ends now. Goodbye.",
)
_WRITTEN = {
    "en": ENGLISH,
    "de": Phrases(
        reminder="Sind Sie noch da?",
        back="Entschuldigung, ich war einen Moment weg.",
        goodbye="Auf Wiederhören.",
        transfer="Einen Moment bitte, ich verbinde Sie.",
        moment="Einen Moment, bitte.",
        silence="Ich höre Sie nicht mehr und lege jetzt auf. Auf Wiederhören.",
        sorry="Entschuldigung, das habe ich nicht verstanden. Können Sie es noch einmal sagen?",
        unheard="Entschuldigung, ich kann Sie gerade nicht hören. Einen Moment, bitte.",
        failed="Entschuldigung, bei uns ist etwas nicht in Ordnung. Bitte rufen Sie später wieder an.",
        credits_used_up="Das Guthaben für dieses Gespräch ist leider aufgebraucht, es endet jetzt. Auf Wiederhören.",
    ),
    "es": Phrases(
        reminder="¿Sigue ahí?",
        back="Perdone, me he ausentado un momento.",
        goodbye="Adiós.",
        transfer="Un momento, por favor, le paso.",
        moment="Un momento, por favor.",
        silence="Ya no le oigo, así que voy a colgar. Adiós.",
        sorry="Perdone, no le he entendido. ¿Puede repetirlo?",
        unheard="Perdone, ahora mismo no le oigo. Un momento, por favor.",
        failed="Perdone, tenemos un problema técnico. Llame más tarde, por favor. Adiós.",
        credits_used_up="Lo siento, el saldo de esta llamada se ha agotado y termina ahora. Adiós.",
    ),
    "fr": Phrases(
        reminder="Êtes-vous toujours là ?",
        back="Pardon, j'ai été absent un instant.",
        goodbye="Au revoir.",
        transfer="Un instant, s'il vous plaît, je vous mets en relation.",
        moment="Un instant, s'il vous plaît.",
        silence="Je ne vous entends plus, je raccroche. Au revoir.",
        sorry="Pardon, je n'ai pas compris. Pouvez-vous répéter ?",
        unheard="Pardon, je ne vous entends pas en ce moment. Un instant, s'il vous plaît.",
        failed="Pardon, nous avons un problème technique. Rappelez plus tard, s'il vous plaît.",
        credits_used_up="Désolé, le crédit de cet appel est épuisé et il se termine maintenant. Au revoir.",
    ),
}
_NO_LANGUAGE = {"", "multi"}  # Deepgram's word for whatever is spoken


def written(language: str | None) -> Phrases | None:
    """Our own phrases in the language of a tag such as `de-AT`, English if there is none; None: not in that one."""
    tag = (language or "").strip().lower()
    return ENGLISH if tag in _NO_LANGUAGE else _WRITTEN.get(re.split("[-_]", tag)[0])


def merged(own: Phrases, others: Phrases) -> Phrases:
    """The agent's own phrases, and for each that it has not those of `others`."""
    return others.model_copy(update=own.model_dump(exclude_none=True))


def translation_key(language: str, settings: Settings) -> str:
    """Where the translation by the settings' model is kept; another one as soon as there are other phrases."""
    of_what = json.dumps([language.strip().lower(), own_model(settings).model, ENGLISH.model_dump()])
    return f"phrases/{hashlib.sha256(of_what.encode()).hexdigest()[:32]}.json"


async def ask_for_translation(conn: AsyncConnection, language: str) -> None:
    """Have it made, unless somebody is at it; a translation that is there costs a look."""
    tag = hashlib.sha256(language.strip().lower().encode()).hexdigest()[:32]
    dedup = f"phrases:{tag}"
    await jobs.enqueue(conn, JOB, {"language": language.strip()}, queue=QUEUE, tenant_id=None, dedup=dedup)
