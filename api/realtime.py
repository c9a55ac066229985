"""`POST /v1/realtime/token`: a call for one browser user, in one step."""

import uuid
from dataclasses import replace

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import people
from api.once import Outcome, answer_once
from api.placing import place
from api.provider_health import ask_beforehand
from api.routing import KEY
from api.schema.calls import CreatedToken, CreateToken
from api.schema.participants import BrowserPlace, NewParticipant


async def create_token(request: web.Request, body: CreateToken) -> web.Response:
    browser = NewParticipant(transport="webrtc", identity=f"browser-{uuid.uuid4().hex}")
    people.check_publishable(request[KEY], body.agent_id, [browser])
    invited = people.parse([browser])
    await ask_beforehand(request, body.agent_id)

    async def work(conn: AsyncConnection) -> Outcome:
        outcome, call = await place(request, conn, body.agent_id, invited, metadata=body.metadata)
        [seat] = call.participants
        assert isinstance(seat, BrowserPlace)
        answer = CreatedToken(
            client_token=seat.access.token,
            room_name=call.room_name,
            server_url=seat.access.url,
            call_id=call.id,
            call_token=call.call_token,
        )
        return replace(outcome, answer=answer)

    return await answer_once(request, body, work)
