"""Put one spoken call through the whole stack: `python -m demo`. Exit status 0 only if every part of it came."""

import asyncio
import sys
import time
from pathlib import Path

import aiohttp

from demo.caller import AgentSilent, Caller
from demo.client import ApiError, Client, Json
from demo.recording import listen
from demo.stack import FOLDER, StackEnded, running_stack
from demo.steps import step

SENTENCES = sorted((Path(__file__).parent / "caller").glob("*.ogg"))
DONE_WITHIN_S = 180

AGENT = {
    "name": "Restaurant",
    "system_prompt": (
        "You are a friendly receptionist of the restaurant Blue Door. You take the name, the number of people and the "
        "time of a booking. Reply with one short sentence."
    ),
    "first_message": "Hello, this is the restaurant Blue Door. How can I help you?",
    "post_call": {
        "recording": {"enabled": True},
        "summary": {"enabled": True},
        "structured_extraction": {
            "json_schema": {
                "type": "object",
                "properties": {
                    "caller_name": {"type": "string", "description": "The name that the caller gives"},
                    "people": {"type": "integer", "description": "Number of people"},
                    "time": {"type": "string", "description": "The day and time of the booking"},
                },
                "required": ["caller_name", "people", "time"],
            },
        },
        "evaluation": {"rubric": "Did the agent greet the caller and answer what the caller asked for?"},
    },
}


class Incomplete(Exception):
    """A part of the call is not there; the text says which."""


async def main() -> str | None:
    """The reason why the call is not complete, None if it is."""
    started = time.monotonic()
    try:
        async with running_stack() as env, aiohttp.ClientSession() as session:
            await _demonstrate(Client(session, env["CALLROOM_URL"], env["CALLROOM_API_KEY"]), started)
    except (StackEnded, ApiError, AgentSilent, Incomplete, TimeoutError) as error:
        return f"The demonstration failed: {error or 'it took too long'}; logs are in {FOLDER / 'logs'}"
    print(f"Everything came. All of it took {time.monotonic() - started:.1f} s.")
    return None


async def _demonstrate(client: Client, started: float) -> None:
    with step("Agent and call"):
        agent = await client.post("/v1/agents", AGENT)
        people = [{"transport": "webrtc", "identity": "anna"}]
        call = await client.post("/v1/calls", {"agent_id": agent["id"], "participants": people})
    with step("Conversation"):
        transcript = asyncio.create_task(_show_until_end(client, call["id"]))
        try:
            await _converse(call["participants"][0]["access"], started)
        except BaseException:
            transcript.cancel()
            raise
    with step("After the call"):
        await asyncio.wait_for(transcript, DONE_WITHIN_S)
    detail = await client.get(f"/v1/calls/{call['id']}")
    recording = await _fetch_recording(client, detail)
    _show_result(detail, recording)


async def _converse(access: Json, started: float) -> None:
    caller = Caller()
    try:
        await caller.join(access["url"], access["token"])
        await caller.hear_answer()
        print(f"  the first word came {caller.heard[0] - started:.1f} s after the beginning", flush=True)
        for sentence in SENTENCES:
            await caller.say(sentence)
            await caller.hear_answer()
            if not caller.connected:
                print("  the agent has hung up", flush=True)
                return
        print("  the caller hangs up", flush=True)
    finally:
        await caller.leave()


async def _show_until_end(client: Client, call_id: str) -> None:
    async for kind, data in client.stream(call_id):
        if kind == "segment" and data["is_final"]:
            print(f"  {data['started_at_ms'] / 1000:6.1f} s  {data['speaker']:5}  {data['text']}", flush=True)
        elif kind == "event":
            print(f"            event  {data['message']}", flush=True)
        elif kind == "end":
            return
    raise Incomplete("the call's stream ended before the call did")


async def _fetch_recording(client: Client, detail: Json) -> Path:
    recording = detail["recording"] or {}
    if recording.get("status") != "ready":
        raise Incomplete(f"the recording is {recording.get('status')}")
    path = FOLDER / "recordings" / f"{detail['id']}.{recording['format']}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(await client.download(recording["metadata"]["stereo_mix"]["signed_url"]))
    return path


def _show_result(detail: Json, recording: Path) -> None:
    """Print what came of the call; Incomplete if something is missing."""
    speakers = {segment["speaker"] for segment in detail["transcript"]["segments"]}
    if speakers != {"user", "agent"}:
        raise Incomplete(f"the transcript has only words of {speakers or 'nobody'}")
    heard = listen(recording)
    if len(heard.sounding) != 2 or min(heard.sounding) < 1:  # noqa: PLR2004 # caller and agent
        raise Incomplete(f"the recording {recording} has seconds of sound on its channels: {heard.sounding}")
    result = detail["intelligence"]
    for name in ("summary", "sentiment", "structured_data", "evaluation"):
        print(f"{name.replace('_', ' ').capitalize()}: {result[name]}")
    print(f"Recording: {recording}, {heard.seconds:.1f} s, caller left, agent right")
    missing = [name for name in ("summary", "sentiment", "structured_data", "evaluation") if not result[name]]
    if missing or result["errors"]:
        raise Incomplete(f"missing: {', '.join(missing) or 'nothing'}; errors: {result['errors']}")


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        sys.exit("Stopped.")
