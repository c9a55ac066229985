"""Provisioning a tenant's trunk in a real LiveKit server, with and without the Redis that its SIP service needs."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from livekit import api

from calls import phones, telephony
from calls.database import DEFAULT_TENANT, Database
from pipeline.deps import Deps, open_deps
from pipeline.trunk import NO_NUMBERS, NO_SIP
from tests.pipeline.finished import working
from tests.servers import LiveKitServer, Redis, free_port

NUMBER = "+15551234567"
TRUNK: dict[str, Any] = {"address": "sip.example.com", "transport": "tls", "username": "ada", "password": "secret"}


async def save(db: Database, **fields: Any) -> None:
    async with db.writing() as conn:
        await telephony.put_trunk(conn, DEFAULT_TENANT, **(TRUNK | fields))


async def add_number(db: Database) -> None:
    async with db.writing() as conn:
        await phones.add_number(conn, DEFAULT_TENANT, NUMBER)


async def status(db: Database) -> tuple[object, object] | None:
    """Whether it is connected, and why not, once the trunk is no longer being set up."""
    async with db.reading() as conn:
        found = await telephony.status(conn, DEFAULT_TENANT)
    return None if found["reason"] == telephony.PENDING else (found["connected"], found["reason"])


@pytest.fixture
async def sip(settings, tmp_path) -> AsyncIterator[Deps]:
    """The pipeline with a LiveKit server that has its SIP service."""
    async with (
        Redis(tmp_path) as redis,
        LiveKitServer(tmp_path, redis=redis) as server,
        open_deps(settings(livekit_url=server.url)) as deps,
    ):
        yield deps


async def livekit_has(deps: Deps) -> dict[str, list[Any]]:
    settings = deps.settings
    secret = settings.livekit_api_secret.get_secret_value()
    async with api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret) as livekit:
        return {
            "inbound": list((await livekit.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())).items),
            "outbound": list((await livekit.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())).items),
            "rules": list((await livekit.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items),
        }


async def test_without_a_sip_service_the_status_says_what_is_missing(settings, until):
    async with open_deps(settings()) as deps:
        await add_number(deps.db)
        await save(deps.db)
        async with working(deps):
            assert await until(lambda: status(deps.db)) == (False, NO_SIP)


async def test_without_a_livekit_server_the_status_says_so(settings, until):
    async with open_deps(settings(livekit_url=f"ws://127.0.0.1:{free_port()}")) as deps:
        await add_number(deps.db)
        await save(deps.db)
        async with working(deps):
            assert await until(lambda: status(deps.db)) == (False, "LiveKit does not answer.")


async def test_a_saved_trunk_replaces_the_one_before_and_a_deleted_one_leaves_nothing(sip, until):
    await save(sip.db)
    async with working(sip):
        assert await until(lambda: status(sip.db)) == (False, NO_NUMBERS)
        await add_number(sip.db)

        async def connected() -> bool:
            return await status(sip.db) == (True, None)

        await until(connected)
        await save(sip.db, address="sip.example.org", allowed_addresses=["192.0.2.1"])
        await until(connected)
        has = await livekit_has(sip)
        assert [len(found) for found in has.values()] == [1, 1, 1]
        assert (has["outbound"][0].address, list(has["outbound"][0].numbers)) == ("sip.example.org", [NUMBER])
        assert list(has["inbound"][0].allowed_addresses) == ["192.0.2.1"]
        assert list(has["rules"][0].trunk_ids) == [has["inbound"][0].sip_trunk_id]
        async with sip.db.writing() as conn:
            await telephony.delete_trunk(conn, DEFAULT_TENANT)

        async def nothing_left() -> bool:
            return not any((await livekit_has(sip)).values())

        await until(nothing_left)
