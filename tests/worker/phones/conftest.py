"""Phones that are called and call, for all tests of this folder: one house that reaches them.

Each file is marked to run in one event loop with the others: what they share was made in it.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from calls.agents import create_agent
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT
from calls.phones import numbers as phones
from calls.phones import trunk as telephony
from calls.placing.creation import NewParticipant
from calls.tables import participants
from tests.conftest import Until
from tests.providers import Providers
from tests.servers import LiveKitServer, Program, free_port
from tests.telephony import FORMS, PhoneNetwork
from tests.worker.conftest import Talk, make_settings
from tests.worker.house import House, open_house

HELLO = "Hello, this is Ada."
SMITH = "Smith speaking."
OURS, ANSWERED, UNANSWERED = "+4930555", "+4930666", "+4930777"
RING_S = 30.0  # on a busy machine the second of two phones rings late
SPEECH = Path(__file__).parents[1] / "speech.wav"
_numbers = iter(range(1000, 9999))


def a_number() -> str:
    """One that no other test calls."""
    return f"+4940{next(_numbers)}"


@pytest_asyncio.fixture(scope="package", loop_scope="package", params=FORMS)
async def network(
    request: pytest.FixtureRequest, livekit_with_sip: LiveKitServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PhoneNetwork]:
    async with FORMS[request.param](livekit_with_sip, tmp_path_factory.mktemp("network")) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def house(
    network: PhoneNetwork,
    livekit_with_sip: LiveKitServer,
    scripted: Providers,
    migrated_sqlite: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[House]:
    """A pipeline and a worker whose LiveKit server reaches phones, and a tenant with a trunk and a number."""
    more = {"livekit_url": network.livekit_url, "pipeline_port": free_port(), "ring_timeout_s": RING_S}
    more["dispatch_attempts"] = 20  # a worker that starts on a busy machine takes its time
    folder = tmp_path_factory.mktemp("house")
    # Calls go on while their worker goes, as they do everywhere.
    settings = make_settings(livekit_with_sip, scripted, migrated_sqlite, folder, **{"worker_drain_s": 600, **more})
    async with open_house(settings, workers=1) as opened:
        async with opened.database.writing() as conn:
            agent = await create_agent(conn, DEFAULT_TENANT, "Ada", {"first_message": HELLO})
            await phones.add_number(conn, DEFAULT_TENANT, OURS)
            await phones.add_number(conn, DEFAULT_TENANT, ANSWERED, agent.id)
            await phones.add_number(conn, DEFAULT_TENANT, UNANSWERED)
            await telephony.put_trunk(
                conn,
                Keyring.of(settings),
                DEFAULT_TENANT,
                address=network.trunk.address,
                transport="udp",
                username=network.trunk.username,
                password=network.trunk.password,
                allowed_addresses=list(network.trunk.allowed_addresses),
            )
        yield opened


@pytest_asyncio.fixture(loop_scope="package", autouse=True)
async def _ready(house: House, providers: Providers, until: Until) -> None:
    """Whatever a test before this one has killed is there again."""

    async def connected() -> bool:
        async with house.database.reading() as conn:
            return bool((await telephony.status(conn, DEFAULT_TENANT))["connected"])

    providers.hear_with(lambda _utterance: SMITH)
    await house.need_workers(1)
    if all(pipeline.returncode is not None for pipeline in house.pipelines):
        await house.add_pipeline()
    await until(connected)


def phone_of(number: str) -> NewParticipant:
    return NewParticipant("pstn", number, from_number=OURS)


async def place(house: House, *numbers: str, **more: Any) -> Talk:
    """A call to phones: nobody but the pipeline opens its room."""
    config = {"first_message": HELLO, "silence_reminder_s": 60, "silence_timeout_s": 90, **more}
    return await house.stage.place(phones=[phone_of(number) for number in numbers], **config)


async def legs(call: Talk) -> list[tuple[str, str, str | None]]:
    """Number, status and end reason of each phone."""
    columns = (participants.c.identity, participants.c.status, participants.c.end_reason)
    query = sa.select(*columns).where(participants.c.call_id == call.id).order_by(participants.c.position)
    async with call.database.reading() as conn:
        return [tuple(row) for row in await conn.execute(query)]


async def with_one_pipeline(house: House, **limits: float) -> Program:
    """The only one from now on, until it is killed."""
    for pipeline in house.pipelines:
        pipeline.kill_group()
    return await house.add_pipeline(**limits)


async def agents_of(call: Talk) -> int:
    """How many came into its room."""
    return sum(event.kind == "agent.joined" for event in await call.events())


async def agents_came(call: Talk, count: int) -> bool:
    """Whether so many did, for `until`."""
    return await agents_of(call) >= count
