"""One call of a drill: a caller with a known script, and what is left of the call afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import demo
from demo.caller import AgentSilent, Caller
from demo.client import ApiError, Client, Json
from drills import words

GREETING = "Hello, this is the restaurant Blue Door. How can I help you?"
AGENT = {
    "name": "Drill",
    "system_prompt": "You are on the phone for the restaurant Blue Door.",
    "first_message": GREETING,
    "post_call": {"recording": {"enabled": True}},
}
SETTLED_WITHIN_S = 120
LOOK_EVERY_S = 0.05
PATIENCE_S = 12  # a busy machine may need some seconds for an answer
MISHEARD = 0.5  # whose larger part was not heard, that sentence is missing
ANSWER_WITHIN_S = 60
_FOLDER = Path(demo.__file__).parent / "caller"
_SENTENCES = (_FOLDER / "sentences.txt").read_text(encoding="utf-8").splitlines()
NAME, BOOKING, TIME, GOODBYE = range(4)  # which of the recorded sentences


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    broken      what was done to it, and when
    silence_s   how long nothing was heard of the agent
    words_lost  words of the caller that are not in the transcript, those included that were only misheard
    ended       its status and reason
    faults      what should not be; empty if the call went on and ended with its true reason
    """

    broken: str
    silence_s: float
    words_lost: int
    ended: str
    faults: tuple[str, ...]


class Conversation:
    """The caller's side of one call."""

    def __init__(self, client: Client, call: Json) -> None:
        self.caller = Caller()
        self.id: str = call["id"]
        self.script: list[str] = []  # what the caller has said
        self._client = client
        self._access = call["participants"][0]["access"]

    async def greet(self) -> float:
        """Join, and hear the agent's greeting to its end; for how long it was silent before."""
        return await self.hear_answer_since(await self.join())

    async def join(self) -> float:
        """Be there; when that was so."""
        await self.caller.join(self._access["url"], self._access["token"])
        return time.monotonic()

    async def ask(self, sentence: int) -> float:
        """Say that, and hear the answer to its end; for how long it was silent before."""
        return await self.hear_answer_since(await self.say(sentence))

    async def hear_answer_since(self, moment: float) -> float:
        silence_s = await self.silence_since(moment)
        await self.caller.hear_answer()
        return silence_s

    async def say(self, sentence: int) -> float:
        """Say one of the recorded sentences; when that was done."""
        self.script.append(_SENTENCES[sentence])
        await self.caller.say(_FOLDER / f"{sentence + 1}.ogg")
        return time.monotonic()

    async def silence_since(self, moment: float, at_least: float = 0) -> float:
        """How long the agent was not heard from `moment` on, once it is heard again; AgentSilent if that is never.

        Silence that is shorter than `at_least` is only a pause in what is still being heard.
        """
        while time.monotonic() < moment + ANSWER_WITHIN_S:
            heard = [moment, *(at for at in self.caller.heard if at > moment)]
            for earlier, later in pairwise(heard):
                if later - earlier >= at_least:
                    return later - earlier
            await asyncio.sleep(LOOK_EVERY_S)
        raise AgentSilent(f"The agent said nothing within {ANSWER_WITHIN_S} s")

    async def part(self) -> None:
        """Say goodbye, hear the answer, and hang up."""
        await self.say(GOODBYE)
        await self.caller.hear_answer()
        await self.caller.leave()

    async def outcome(
        self,
        broken: str,
        silence_s: float,
        *,
        taken_over: bool,
        patience_s: float = PATIENCE_S,
    ) -> Outcome:
        """What the API says of the call when everything is done.

        Without a take-over nothing that was said is missing, and no silence is longer than `patience_s`.
        """
        detail = await self.settled()
        segments = detail["transcript"]["segments"]
        ended = f"{detail['status']}, {detail['end_reason']}"
        kinds = {event["kind"] for event in detail["events"]}
        said = " ".join(one["text"] for one in segments if one["speaker"] == "agent")
        heard = " ".join(one["text"] for one in segments if one["speaker"] == "user")
        lost = words.lost(self.script, heard)
        faults = faults_of_any(detail) | {
            "it ended otherwise": ended != "completed, caller_hung_up",
            "the greeting is missing": GREETING not in said,
            "nobody took over": taken_over and "agent.returned" not in kinds,
            "it was taken over": not taken_over and "agent.lost" in kinds,
            "the talk stood still": not taken_over and silence_s > patience_s,
            "a sentence is missing": not taken_over and any(share > MISHEARD for _, share in lost),
        }
        words_lost = sum(count for count, _ in lost)
        return Outcome(broken, silence_s, words_lost, ended, tuple(fault for fault, is_so in faults.items() if is_so))

    async def settled(self) -> Json:
        """What the API says of the call, once its recording is there, or will never be; TimeoutError."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while True:
                with suppress(ApiError):  # for a moment still, after an outage
                    detail = await self._client.get(f"/v1/calls/{self.id}")
                    if (detail["recording"] or {}).get("status") in {"ready", "failed"}:
                        return detail
                await asyncio.sleep(0.5)


def faults_of_any(detail: Json) -> dict[str, bool]:
    """What should not be with any call, and whether it is so with this one."""
    segments = detail["transcript"]["segments"]
    kinds = {event["kind"] for event in detail["events"]}
    return {
        "the transcript is not whole": [one["sequence"] for one in segments] != list(range(len(segments))),
        "not every segment is final": not all(one["is_final"] for one in segments),
        "a part of it died": bool(kinds & {"part.restarted", "part.failed", "recording.interrupted"}),
        "there is no recording": (detail["recording"] or {}).get("status") != "ready",
    }


@asynccontextmanager
async def conversation(client: Client, config: Json = AGENT) -> AsyncIterator[Conversation]:
    """A new call with a new agent, that its caller has left at the end."""
    agent = await client.post("/v1/agents", config)
    people = [{"transport": "webrtc", "identity": "anna"}]
    talk = Conversation(client, await client.post("/v1/calls", {"agent_id": agent["id"], "participants": people}))
    try:
        yield talk
    finally:
        await talk.caller.leave()
