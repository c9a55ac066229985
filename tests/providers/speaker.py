"""Deepgram's streaming speech, `WS /v1/speak`: a text that comes word by word, spoken when it is flushed."""

import asyncio
import json

from aiohttp import WSMsgType, web

from tests.providers.openai import beginning, tone
from tests.providers.script import Script


async def serve(socket: web.WebSocketResponse, script: Script, model: str | None, stopped: asyncio.Event) -> None:
    """Runs until either side closes the socket."""
    text = ""
    async for message in socket:
        if message.type != WSMsgType.TEXT:
            continue
        said = json.loads(message.data)
        if said["type"] == "Speak":
            text += said["text"]
        elif said["type"] == "Close":
            return
        elif text:
            script.spoken.append(text.strip())
            cut = script.cut_of(model)
            await socket.send_bytes(tone(text) if cut is None else beginning(text, cut))
            if cut is not None and cut.hangs:
                await stopped.wait()
            if cut is not None:
                return
            await socket.send_json({"type": "Flushed"})
            text = ""
