"""The pipeline's outside world for a watcher."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from pipeline.deps import Deps
from tests.pipeline.patient import open_patient

Open = Callable[..., Awaitable[Deps]]


@pytest.fixture
async def open_with(settings) -> AsyncIterator[Open]:
    """`await open_with(**settings)`: the pipeline's outside world, with times that a test can wait for."""
    async with AsyncExitStack() as stack:

        async def opened(**changes: Any) -> Deps:
            # No worker of another test serves this name.
            calm = {"join_timeout_s": 60, "agent_join_timeout_s": 60, "lease_s": 60, "agent_name": "nobody"}
            return await stack.enter_async_context(open_patient(settings(**(calm | changes))))

        yield opened
