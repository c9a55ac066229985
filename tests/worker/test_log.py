"""What a worker logs when its providers fail: that they did, and nothing that was said or prompted."""

from typing import Any

import pytest

from tests.conftest import Until
from tests.providers import Providers
from tests.providers.script import Service
from tests.servers import Program
from tests.worker.conftest import Stage, Talk

pytestmark = pytest.mark.restless

PROMPTED = "You are the keeper of the marzipan."
GREETED = "Welcome to the crocodile."
SAID = "My umbrella is violet."


async def _provider_failed(call: Talk) -> bool:
    return "provider failed" in await call.messages()


async def test_of_failing_providers_the_log_has_the_kind_of_error_and_not_a_word_that_was_said_or_prompted(
    stage: Stage, worker: Program, providers: Providers, until: Until
) -> None:
    before = len(worker.output)
    providers.hear(SAID, SAID)
    faults: list[tuple[Service, int]] = [("tts", 200), ("llm", 503), ("stt", 401)]
    for service, status in faults:
        providers.recover()
        providers.fail(service, status)
        greeting: dict[str, Any] = {"first_message": GREETED} if service == "tts" else {}
        call = await stage.call(system_prompt=PROMPTED, **greeting)
        async with call.caller() as caller:
            if service == "llm":
                await until(lambda call=call: call.has_status("in_progress"))
                await caller.say()
            await until(lambda call=call: _provider_failed(call))
        await until(call.ended)
    log = worker.output[before:]
    assert "provider=tts error=APIError\n" in log, "the voice that gave no sound"
    assert "APIStatusError" in log
    for private in (PROMPTED, GREETED, SAID):
        assert private.rstrip(".").rpartition(" ")[2] not in log
