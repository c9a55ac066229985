"""Stand-ins for the paid speech and language clouds, on a real socket.

They speak Deepgram's `WS /v1/listen` and `WS /v1/speak`, OpenAI's `/v1/chat/completions`, `/v1/audio/speech` and
`/v1/models`, and take a recording for an utterance at `/v1/audio/transcriptions`, so the production plugins run against
them by URL alone. The test says what is heard and what is answered:

    async with Providers() as providers:             # or, from synchronous code: with in_thread() as providers:
        settings(stt_url=providers.url, ...)         # "http://127.0.0.1:PORT/v1", the same for all three
        providers.hear("I need a table.", None)      # one per utterance, in the order they begin; None: a cough
        providers.answer("For how many?", ToolCall("end_call", {}), {"summary": "A table."})
        providers.answer_with(lambda chat: {"score": 5} if chat.schema else None)    # asked first; None: the queue

    Hearing    Loud audio (above -40 dBFS) is an utterance; it ends after `endpointing_s` of quiet, more than the holes
               that sound has on a busy machine. Words are spread over it by length, interim results come every 0.3 s.
               With nothing scripted, nothing is heard. `Interim("words")`: no final result confirms them,
               `InPieces("some", "words")`: as many final results as there are pieces, `Corrected("one", "another")`:
               as many for the same sound. `hear_with(function)` decides by
               the finished `Utterance` (stream number, start, length) instead. `timed`: whether all results, only final
               ones, or none tell when their words were said.
    Answering  str: that text, ToolCall: a call of a tool, dict: JSON text, list: text and calls together, Raw: an
               HTTP answer as it is, Never: none, Trickle: one that does not end; `field` has the models that people
               really have. Speculative requests about one point of a conversation (streamed; same messages before the
               last words of the user) get one and the same answer. Unscripted: "I see.", but status 500 if the
               request wanted JSON.
    Speaking   24 kHz PCM, a 440 Hz tone of 1 s for every 15 characters.
    Failing    `fail("stt" | "llm" | "tts", 503, times=2, model="first")`, `hang("llm")`, `recover()`;
               `silence(times=1)`: STT sockets that say nothing; `cut_speech(0.5, hangs=False)` ends speech in its
               middle; `await cut_listeners()` drops the open STT sockets.
    Waiting    `hold()`: no final result of speech comes before `confirm()`.
    Delays     `stt_s`, `llm_s`, `tts_s`: seconds before the first byte of an answer; attributes, may be changed.
    Looking    `chats` (requests as received), `spoken` (texts asked of TTS), `voices` (the models they were asked of,
               also in vain), `utterances`.

`python -m tests.providers --port 8099` serves the same with one sentence heard for every utterance.
"""

from tests.providers.script import Chat, Corrected, InPieces, Interim, Never, Raw, Timed, ToolCall, Trickle, Utterance
from tests.providers.server import Providers, in_thread

__all__ = [
    "Chat",
    "Corrected",
    "InPieces",
    "Interim",
    "Never",
    "Providers",
    "Raw",
    "Timed",
    "ToolCall",
    "Trickle",
    "Utterance",
    "in_thread",
]
