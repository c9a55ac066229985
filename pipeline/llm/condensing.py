"""A transcript that is longer than the model's context, as notes: made piece by piece, in order, by the same model."""

import hashlib
import textwrap

import prompts
from calls.analysis.notes import Note
from pipeline.llm.conversation import Conversation, fenced
from pipeline.llm.endpoint import Endpoint
from pipeline.llm.errors import LlmFailed
from pipeline.llm.reading import spoken

SHORTEST = 1000  # bytes of a piece; notes of less would be of something else
TOO_SMALL = "The model's context is too small for the transcript and what is asked about it."
SHORTER = 0.9  # at most, of what notes are made of, so that they fit in the end


class Condenser:
    """Makes notes by `endpoint` of one conversation."""

    def __init__(self, endpoint: Endpoint, conversation: Conversation) -> None:
        self._endpoint = endpoint
        self._conversation = conversation

    async def notes(self, fitting: int, room: int) -> str:
        """Notes of the whole conversation, of at most `fitting` bytes, by requests of at most `room`.

        Those that are in its notebook are not made again.

        Raises LlmUnavailable, LlmFailed or TooLong.
        """
        text = self._conversation.transcript
        while len(text.encode()) > fitting:
            shorter = await self._shortened(text, room)
            if len(shorter.encode()) > SHORTER * len(text.encode()):
                raise LlmFailed(
                    "The transcript is too long for the model's context, and the model's notes are no shorter."
                )
            text = shorter
        return text

    async def _shortened(self, text: str, room: int) -> str:
        template = prompts.load("condensing")
        size = (room - len(template.encode())) // 2  # the answer needs room as well
        if size < SHORTEST:
            raise LlmFailed(TOO_SMALL)
        pieces, notes = split(text.splitlines(), size), []
        for number, piece in enumerate(pieces, 1):
            values = {"when": self._conversation.when, "number": number, "pieces": len(pieces)}
            instructions, _ = prompts.render(template, values)
            notes.append(await self._note(instructions, fenced("transcript", "\n".join(piece)), room))
        return "\n".join(notes)

    async def _note(self, instructions: str, content: str, room: int) -> str:
        asked = hashlib.sha256(f"{instructions}\n{content}".encode()).hexdigest()
        if known := self._conversation.notebook.find(asked):
            return known
        said = spoken(await self._endpoint.complete(instructions, content))
        if not said:
            raise LlmFailed("The model made no notes of a part of the transcript.")
        await self._conversation.notebook.add(Note(asked, room, said))
        return said


def split(lines: list[str], size: int) -> list[list[str]]:
    """The lines in their order, in pieces of at most `size` bytes; a longer line goes on under its speaker's name."""
    pieces: list[list[str]] = [[]]
    used = 0
    for line in (part for whole in lines for part in _parts(whole, size)):
        length = len(line.encode()) + 1
        if pieces[-1] and used + length > size:
            pieces.append([])
            used = 0
        pieces[-1].append(line)
        used += length
    return pieces


def _parts(line: str, size: int) -> list[str]:
    if len(line.encode()) < size:
        return [line]
    speaker, _, text = line.partition(": ")
    label = f"{speaker}: " if text and len(speaker) < size // 8 else ""
    width = size // 4 - len(label)  # no character takes more than four bytes
    return [label + part for part in textwrap.wrap(line[len(label) :], width)]
