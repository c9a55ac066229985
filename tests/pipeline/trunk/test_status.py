"""Whether calls can be made to phones, and what is missing, on real LiveKit servers."""

from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT
from calls.phones import trunk as telephony
from pipeline.deps import open_deps
from pipeline.sip import NO_BRIDGE, NO_LIVEKIT, NO_REDIS, NO_SIP
from tests.pipeline.trunk.phones import (
    BERLIN,
    BRIDGE,
    PARIS,
    TRUNK,
    ids,
    is_reason,
    keeping,
    other_tenant,
    own,
    save,
    trunk_row,
)
from tests.servers import Program, free_port

pytestmark = pytest.mark.restless


async def test_without_a_sip_service_the_status_says_what_is_missing(settings, until):
    async with open_deps(settings()) as deps:
        await own(deps.db, BERLIN)
        await save(deps)
        async with keeping(deps):
            await until(lambda: is_reason(deps.db, NO_SIP))


async def test_without_a_livekit_server_the_status_says_so(settings, until):
    async with open_deps(settings(livekit_url=f"ws://127.0.0.1:{free_port()}")) as deps:
        await own(deps.db, BERLIN)
        await save(deps)
        async with keeping(deps):
            await until(lambda: is_reason(deps.db, NO_LIVEKIT))


async def test_what_is_saved_comes_to_livekit_by_itself_and_without_a_bridge_no_call_can_be_made(sip, until):
    async with keeping(sip.deps):
        await save(sip.deps)
        await own(sip.db, BERLIN)
        await until(lambda: is_reason(sip.db, NO_BRIDGE))
        assert (await trunk_row(sip.db)).state == "ready"
        sip.redis.kill_group()
        await until(lambda: is_reason(sip.db, NO_REDIS))


@pytest.mark.skipif(BRIDGE is None, reason="needs livekit-sip")
async def test_with_a_bridge_a_call_can_be_made_until_it_is_gone(sip, tmp_path, until, monkeypatch):
    monkeypatch.setattr("pipeline.telephony.BRIDGE_EVERY_S", 1)
    config = {
        "api_key": sip.server.key,
        "api_secret": sip.server.secret,
        "ws_url": sip.server.url,
        "redis": {"address": sip.redis.address},
        "sip_port": free_port(),
        "rtp_port": "31000-31100",
        "use_external_ip": False,
        "max_cpu_utilization": 1,
    }
    file = tmp_path / "sip.yaml"
    file.write_text(yaml.safe_dump(config))
    await own(sip.db, BERLIN)
    await save(sip.deps)
    async with keeping(sip.deps):
        async with Program([str(BRIDGE), "--config", file], log=tmp_path / "sip.log"):
            await until(lambda: is_reason(sip.db, None))
            assert (await sip.deps.rooms.list_rooms()) == []
        await until(lambda: is_reason(sip.db, NO_BRIDGE))


async def test_what_livekit_refuses_is_the_reason_and_keeps_no_other_tenant_waiting(sip):
    other = await other_tenant(sip.db)
    await own(sip.db, BERLIN)
    await save(sip.deps, address="sip:sip.example.com")
    await own(sip.db, PARIS, tenant_id=other)
    await save(sip.deps, other)
    await sip.look()
    refused = await trunk_row(sip.db)
    assert refused.state == "failed"
    assert refused.reason.startswith("LiveKit refused the trunk: ")
    assert "SIP URI" in refused.reason
    assert (await trunk_row(sip.db, other)).state == "ready"


async def test_a_password_whose_key_is_missing_is_named_and_livekit_keeps_what_it_has(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    await sip.look()
    before = await sip.sip.list_parts()
    async with sip.db.writing() as conn:
        lost = Keyring(Fernet.generate_key().decode(), Path("/nowhere"))
        await telephony.put_trunk(conn, lost, DEFAULT_TENANT, **(TRUNK | {"address": "sip.example.org"}))
    await sip.look()
    row = await trunk_row(sip.db)
    assert row.state == "failed"
    assert "CALLROOM_ENCRYPTION_KEYS" in row.reason
    assert await sip.sip.list_parts() == before
    assert row.livekit_ids == ids(before)
