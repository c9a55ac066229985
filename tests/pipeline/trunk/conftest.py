"""A server for each test: what it has of trunks is all its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from pipeline.deps import open_deps
from pipeline.sip import Sip
from tests.pipeline.trunk.phones import Phones, livekit_with_sip


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody tells of is looked for every moment."""
    monkeypatch.setattr("pipeline.telephony.EVERY_S", 0.5)


@pytest.fixture
async def sip(settings, tmp_path) -> AsyncIterator[Phones]:
    async with AsyncExitStack() as stack:
        server, redis, port = await stack.enter_async_context(livekit_with_sip(tmp_path))
        chosen = settings(livekit_url=server.url)
        deps = await stack.enter_async_context(open_deps(chosen))
        yield Phones(deps, server, redis, port, await stack.enter_async_context(Sip.connect(chosen)))
