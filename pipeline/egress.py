"""LiveKit Egress in our words: it records a room into a file, and tells what became of that."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

import aiohttp
from livekit import api

from calls.errors import Unavailable
from calls.rooms import REQUEST_TIMEOUT_S, server_api
from calls.settings import Settings

START_TIMEOUT_S = 10  # one is sought that has room for it, and begins


class Refused(Exception):
    """No egress was to be had; `str()` says why."""


class NoRoom(Refused):
    """There is nothing to record."""


class EgressAway(Unavailable):
    """LiveKit does not answer, or not for Egress: the same may be asked again later. The message says why."""

    code = "livekit_unavailable"


class Egress:
    """The Egress service of one LiveKit server; who asks it for something gets EgressAway if it does not answer."""

    def __init__(self, livekit: api.LiveKitAPI, settings: Settings) -> None:
        self._livekit = livekit
        self._settings = settings

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator[Self]:
        """One HTTP session to LiveKit for the length of the block."""
        # Without failover: a request that is sent again records again.
        async with server_api(settings, failover=False) as livekit:
            yield cls(livekit, settings)

    async def start(self, room_name: str, key: str) -> api.EgressInfo:
        """Record the room's sound into the storage's `key`: Ogg/Opus, the agent on the left, all others on the right.

        Egress knows no other way round. Raises Refused; after EgressAway it may be recording all the same.
        """
        request = api.RoomCompositeEgressRequest(
            room_name=room_name,
            audio_only=True,
            audio_mixing=api.AudioMixing.DUAL_CHANNEL_AGENT,
            file_outputs=[output(self._settings, key)],
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                return await self._livekit.egress.start_room_composite_egress(request)
        except api.TwirpError as error:
            kind = NoRoom if error.code == api.TwirpErrorCode.NOT_FOUND else Refused
            raise kind(error.message) from error
        except aiohttp.ClientConnectorError as error:  # it was never asked for
            raise Refused("LiveKit does not answer") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EgressAway("LiveKit does not answer") from error

    async def in_room(self, room_name: str) -> list[api.EgressInfo]:
        """Every egress of that room that LiveKit knows: it forgets one a day after its end."""
        return await self._list(api.ListEgressRequest(room_name=room_name))

    async def running(self) -> list[api.EgressInfo]:
        """Every egress of any room that is not over."""
        return await self._list(api.ListEgressRequest(active=True))

    async def stop(self, egress_id: str) -> None:
        """Have it end. Nothing comes of it where it is over, or its process has died."""
        with suppress(api.TwirpError, aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await self._livekit.egress.stop_egress(api.StopEgressRequest(egress_id=egress_id))

    async def _list(self, which: api.ListEgressRequest) -> list[api.EgressInfo]:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                return list((await self._livekit.egress.list_egress(which)).items)
        except api.TwirpError as error:  # one without Redis has no Egress, and says so
            raise EgressAway(f"LiveKit does not say what Egress does: {error.message}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EgressAway("LiveKit does not answer") from error


def output(settings: Settings, key: str) -> api.EncodedFileOutput:
    """The file under `key` of the storage, and for a bucket the way in: like our own, from the usual `AWS_…` variables.

    Without keys there, Egress uses those of the machine that it runs on.
    """
    # Without a manifest: a file beside it that names everybody who was there.
    file = api.EncodedFileOutput(file_type=api.EncodedFileType.OGG, disable_manifest=True)
    url = urlsplit(settings.storage)
    if url.scheme == "file":
        file.filepath = f"{url2pathname(url.path)}/{key}"
        return file
    file.filepath = "/".join(part for part in (url.path.strip("/"), key) if part)
    given = os.environ.get
    endpoint = given("AWS_ENDPOINT_URL_S3") or given("AWS_ENDPOINT_URL") or given("AWS_ENDPOINT") or ""
    hosted = given("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "").lower() == "true"
    file.s3.CopyFrom(
        api.S3Upload(
            access_key=given("AWS_ACCESS_KEY_ID", ""),
            secret=given("AWS_SECRET_ACCESS_KEY", ""),
            session_token=given("AWS_SESSION_TOKEN", ""),
            region=given("AWS_REGION") or given("AWS_DEFAULT_REGION") or "",
            endpoint=endpoint,
            bucket=url.netloc,
            force_path_style=bool(endpoint) and not hosted,
        )
    )
    return file
