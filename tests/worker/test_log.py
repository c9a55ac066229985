"""What a worker logs when its providers fail: that they did, and nothing that was said or prompted."""

from functools import partial
from typing import Any

import pytest

from tests.conftest import Until
from tests.providers import Providers
from tests.providers.script import Service
from tests.servers import Program
from tests.worker.conftest import Stage, Talk, Together

pytestmark = pytest.mark.restless

PROMPTED = "You are the keeper of the marzipan."
GREETED = "Welcome to the crocodile."
SAID = "My umbrella is violet."


async def _provider_failed(call: Talk) -> bool:
    return "provider failed" in await call.messages()


async def fail(
    service: Service, status: int, greeting: dict[str, Any], stage: Stage, providers: Providers, until: Until
) -> None:
    """A call in which this one fails."""
    providers.hear(SAID)
    providers.fail(service, status)
    call = await stage.call(system_prompt=PROMPTED, **greeting)
    async with call.caller() as caller:
        if service == "llm":
            await until(lambda: call.has_status("in_progress"))
            await caller.say()
        await until(lambda: _provider_failed(call))
    await until(call.ended)


async def test_of_failing_providers_the_log_has_the_kind_of_error_and_not_a_word_that_was_said_or_prompted(
    worker: Program, together: Together
) -> None:
    before = len(worker.output)
    await together(
        partial(fail, "tts", 200, {"first_message": GREETED}),
        partial(fail, "llm", 503, {}),
        partial(fail, "stt", 401, {}),
    )
    log = worker.output[before:]
    assert "provider=tts error=APIError\n" in log, "the voice that gave no sound"
    assert "APIStatusError" in log
    assert " livekit: " not in log, "records of the native library, of which no word may stand here"
    for private in (PROMPTED, GREETED, SAID):
        assert private.rstrip(".").rpartition(" ")[2] not in log
