"""A server that knows of no trunk when a test begins."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from pipeline.deps import open_deps
from tests.pipeline.trunk.phones import Phones, SipWithoutBridge, changes, forget_all
from tests.servers import LiveKitServer, Redis


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody tells of is looked for every moment."""
    monkeypatch.setattr("pipeline.telephony.EVERY_S", 0.5)


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], tuple[LiveKitServer, Redis]]]:
    """A server with its SIP service for all tests here; another one when a test has killed its Redis."""
    with ExitStack() as stack:
        started: list[tuple[LiveKitServer, Redis]] = []

        def running() -> tuple[LiveKitServer, Redis]:
            if not started or started[-1][1].returncode is not None:
                folder = tmp_path_factory.mktemp("trunks")
                redis = stack.enter_context(Redis(folder))
                started.append((stack.enter_context(LiveKitServer(folder, redis=redis)), redis))
            return started[-1]

        yield running


@pytest.fixture
async def sip(settings, _running) -> AsyncIterator[Phones]:
    async with AsyncExitStack() as stack:
        server, redis = _running()
        await forget_all(redis)
        chosen = settings(livekit_url=server.url)
        deps = await stack.enter_async_context(open_deps(chosen))
        keeps = await stack.enter_async_context(SipWithoutBridge.connect(chosen))
        yield Phones(deps, server, keeps, changes(server))
