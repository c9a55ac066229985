"""Job `provision_trunk`: LiveKit gets the trunks and the dispatch rule that a tenant's SIP trunk asks for."""

from typing import Any

import aiohttp
import sqlalchemy as sa
from livekit import api
from livekit.api.sip_service import SipService

from calls.jobs import Job
from calls.phones import Row
from calls.settings import Settings
from calls.tables import numbers
from calls.telephony import find_trunk, record_provisioned
from pipeline.deps import Deps
from pipeline.fate import Done, Fate, Retry

TIMEOUT_S = 10
# Rooms of inbound calls begin otherwise than `call_`: their call has no row before it rings.
INBOUND_PREFIX = "inbound_"
NO_SIP = "Phones are off: LiveKit runs without its SIP service, which needs Redis and livekit-sip."
NO_LIVEKIT = "LiveKit does not answer."
NO_NUMBERS = "The tenant has no numbers yet: POST /v1/numbers."

_TRANSPORTS = {
    "udp": api.SIPTransport.SIP_TRANSPORT_UDP,
    "tcp": api.SIPTransport.SIP_TRANSPORT_TCP,
    "tls": api.SIPTransport.SIP_TRANSPORT_TLS,
}


async def run(job: Job, deps: Deps) -> Fate:
    """Replace what LiveKit has of the tenant's trunk by what is saved now; a removed trunk leaves nothing.

    Why it could not is what `GET /v1/telephony/status` shows. LiveKit without SIP is an answer, not a failure.
    """
    tenant_id = str(job.payload["tenant_id"])
    async with deps.db.reading() as conn:
        trunk = await find_trunk(conn, tenant_id)
        own = sa.select(numbers.c.number).where(numbers.c.tenant_id == tenant_id)
        called = list(await conn.scalars(own.order_by(numbers.c.number)))
    old: dict[str, str] = job.payload["remove"] | (trunk.livekit_ids if trunk is not None else {})
    async with _livekit(deps.settings) as livekit:
        failure, new, again = await _replace(livekit.sip, old, trunk, called)
    async with deps.db.writing() as conn:
        await record_provisioned(conn, tenant_id, livekit_ids=new, failure=failure)
    return Retry(failure) if again and failure else Done()


async def _replace(
    sip: SipService,
    old: dict[str, str],
    trunk: Row | None,
    called: list[str],
) -> tuple[str | None, dict[str, str], bool]:
    """Give why it failed, the ids that LiveKit has now, and whether to try again."""
    new: dict[str, str] = {}
    try:
        await _remove(sip, old)
        if trunk is not None and called:
            await _create(sip, trunk, called, new)
    except api.TwirpError as error:
        without_sip = "sip not connected" in error.message
        return (NO_SIP if without_sip else f"LiveKit refused the trunk: {error.message}"), old | new, False
    except (aiohttp.ClientError, TimeoutError):
        return NO_LIVEKIT, old | new, True
    return (None if called else NO_NUMBERS), new, False


async def _remove(sip: SipService, ids: dict[str, str]) -> None:
    for name, identifier in ids.items():
        try:
            if name == "rule":
                await sip.delete_dispatch_rule(api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=identifier))
            else:
                await sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=identifier))
        except api.TwirpError as error:
            if error.code != api.TwirpErrorCode.NOT_FOUND:
                raise


async def _create(sip: SipService, trunk: Row, called: list[str], ids: dict[str, str]) -> None:
    name = f"callroom {trunk.tenant_id}"
    login: dict[str, Any] = {"auth_username": trunk.username or "", "auth_password": trunk.password or ""}
    outbound = api.SIPOutboundTrunkInfo(
        name=name,
        address=trunk.address,
        transport=_TRANSPORTS[trunk.transport],
        numbers=called,
        **login,
    )
    made_out = await sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=outbound))
    ids["outbound"] = made_out.sip_trunk_id
    # Whoever may send calls is known by its address; without any, by the login.
    known_by = {"allowed_addresses": trunk.allowed_addresses} if trunk.allowed_addresses else login
    inbound = api.SIPInboundTrunkInfo(name=name, numbers=called, **known_by)
    made_in = await sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=inbound))
    ids["inbound"] = made_in.sip_trunk_id
    individual = api.SIPDispatchRuleIndividual(room_prefix=INBOUND_PREFIX)
    rule = api.SIPDispatchRuleInfo(
        name=name,
        trunk_ids=[ids["inbound"]],
        rule=api.SIPDispatchRule(dispatch_rule_individual=individual),
    )
    made_rule = await sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=rule))
    ids["rule"] = made_rule.sip_dispatch_rule_id


def _livekit(settings: Settings) -> api.LiveKitAPI:
    return api.LiveKitAPI(
        settings.livekit_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    )
