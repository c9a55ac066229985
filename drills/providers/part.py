"""All drills of providers, one after the other, on a stack whose agents find them behind the front."""

import asyncio
import math
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from demo.caller import AgentSilent
from demo.client import ApiError, Client
from demo.stack import free_ports, running_stack
from drills.ground import FOLDER
from drills.model import scripted_model
from drills.providers.drill import Place, carry_out
from drills.providers.front import front
from drills.providers.outcome import ProviderOutcome, silence
from drills.providers.plan import Failure, failures
from drills.providers.talk import ANSWER

WITHIN_S = 240  # one drill
LEFT = FOLDER / "providers"  # what each drill leaves


async def carry_out_all(only: str) -> list[ProviderOutcome]:
    """Those with `only` in their titles."""
    chosen = [one for one in failures() if only in one.title]
    if not chosen:
        return []
    async with _place() as place:
        return [await _carry_out(one, place) for one in chosen]


async def _carry_out(failure: Failure, place: Place) -> ProviderOutcome:
    try:
        async with asyncio.timeout(WITHIN_S):
            made = await carry_out(failure, place)
    except (AgentSilent, ApiError, LookupError, TimeoutError, aiohttp.ClientError) as error:
        reason = str(error) or "it took too long"
        made = ProviderOutcome(failure.name, failure.second, math.inf, "", "", (reason,))
    print(f"  {failure.title}: {silence(made)}, {'; '.join((made.went_on, *made.faults))}", flush=True)
    return made


@asynccontextmanager
async def _place() -> AsyncIterator[Place]:
    [port] = free_ports(1)
    speech_url = f"http://127.0.0.1:{port}/v1"
    shutil.rmtree(LEFT, ignore_errors=True)
    async with scripted_model(ANSWER) as llm_url, front(speech_url, llm_url) as providers:
        settings = {
            "CALLROOM_LOCAL_PORT": str(port),
            "CALLROOM_LLM_URL": llm_url,
            "CALLROOM_PROVIDERS": providers.providers,
        }
        async with running_stack(FOLDER, settings) as env, aiohttp.ClientSession() as http:
            client = Client(http, env["CALLROOM_URL"], env["CALLROOM_API_KEY"])
            yield Place(client, providers, http, speech_url, LEFT)
