"""What is compared with: an agent as LiveKit's quick start writes it, with the same plugins as ours.

`python -m livekit.agents start bench/conversation/plain.py`. The metadata of a dispatch says by what a turn's end is
detected and which model names its providers are asked with: {"detection": "vad", "model": "plain-1"}. The environment
names LiveKit's server, the agent, and in BENCH_PROVIDERS_URL where the providers are.
"""

import json
import os

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, JobProcess, inference
from livekit.plugins import deepgram, openai, silero


def idle(_: AgentServer) -> float:
    """By itself the load is what the whole machine does: on one that also runs the callers, it would get no calls."""
    return 0.0


server = AgentServer(port=0, host="127.0.0.1", load_fnc=idle)


def prewarm(process: JobProcess) -> None:
    process.userdata["vad"] = silero.VAD.load()


server.setup_fnc = prewarm


class Assistant(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You are a helpful voice assistant. Answer in one or two short sentences.")


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    """One call."""
    wanted = json.loads(ctx.job.metadata)
    model, url = wanted["model"], os.environ["BENCH_PROVIDERS_URL"]
    session: AgentSession[None] = AgentSession(
        stt=deepgram.STT(model=model, api_key="none", base_url=f"{url}/listen"),
        llm=openai.LLM(model=model, api_key="none", base_url=url),
        tts=openai.TTS(model=model, voice="alloy", api_key="none", base_url=url, response_format="pcm"),
        vad=ctx.proc.userdata["vad"],
        turn_handling={
            "turn_detection": "vad" if wanted["detection"] == "vad" else inference.TurnDetector(version="v1-mini"),
            "interruption": {"mode": "vad"},  # the other one is LiveKit's cloud
        },
    )
    await session.start(agent=Assistant(), room=ctx.room)
    _ = session.generate_reply(instructions="Greet the user and offer your assistance.")
