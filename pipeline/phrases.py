"""Job `translate_phrases`: what is to be known of a language that we have no words for.

What agents say of themselves, and by which words those who talk to them show that they listen.
"""

import io
import json
import re

import prompts
from calls.errors import StorageAway
from calls.jobs import Job
from calls.phrases import ENGLISH, Phrases, Translation, translation_key
from pipeline.deps import Deps
from pipeline.fate import Done, Fate, Retry
from pipeline.llm import Form, Llm, LlmFailed, LlmUnavailable, Question

TEXTS = ENGLISH.model_dump()
_PHRASES = {
    "type": "object",
    "properties": {key: {"type": "string", "minLength": 1, "maxLength": 500} for key in TEXTS},
    "required": list(TEXTS),
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "phrases": _PHRASES,
        "listening": {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1, "maxLength": 60}},
    },
    "required": ["phrases", "listening"],
    "additionalProperties": False,
}
STILL_ENGLISH = 0.5  # of a phrase's words: fewer may be the same in both languages
_ENGLISH_WORDS = frozenset(word for text in TEXTS.values() for word in re.findall(r"\w+", text.lower()))


async def run(job: Job, deps: Deps) -> Fate:
    """Translate, unless that was done; what cannot be a translation is tried again, and never kept."""
    language: str = job.payload["language"]
    key = translation_key(language, deps.settings)
    try:
        if not await deps.storage.exists(key):
            translated = await translate(deps.llm, language)
            await deps.storage.put_file(key, io.BytesIO(translated.model_dump_json().encode()))
    except (LlmUnavailable, LlmFailed, StorageAway) as error:
        return Retry(str(error))
    return Done()


async def translate(llm: Llm, language: str) -> Translation:
    """What the model knows of another language. Raises LlmUnavailable or LlmFailed."""
    values = {"language": language, "answer": {"phrases": dict.fromkeys(TEXTS, "..."), "listening": ["..."]}}
    instructions, _ = prompts.render(prompts.load("phrases"), values)
    answer = await llm.ask_of_text(Question(instructions, Form("phrases", SCHEMA, strict=True)), json.dumps(TEXTS))
    if any(_is_english(text) for text in answer["phrases"].values()):
        raise LlmFailed("The model left the phrases in English.")
    signs = [sign.strip() for sign in answer["listening"]]
    return Translation(phrases=Phrases(**answer["phrases"]), listening=[sign for sign in signs if sign])


def _is_english(text: str) -> bool:
    words = re.findall(r"\w+", text.lower())
    return not words or sum(word in _ENGLISH_WORDS for word in words) / len(words) > STILL_ENGLISH
