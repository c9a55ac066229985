"""The server to try webhooks against, as it comes and goes at an API; what it shows is tested with the pipeline."""

import asyncio
from functools import partial

import pytest

from api.receiver import Refused, main, receive
from tests.api.conftest import Api, run_api
from tests.conftest import MakeSettings, Until
from tests.servers import free_port


async def test_it_makes_an_endpoint_for_itself_and_takes_it_away_again(settings: MakeSettings, until: Until):
    async for api in run_api(settings(webhook_private_addresses=True)):
        running = asyncio.create_task(receive(api.url, api.key, port=free_port()))
        await until(partial(tried, api))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert (await api.get("/v1/webhooks")).body["total"] == 0


async def tried(api: Api) -> list[str]:
    """The messages that the one endpoint is to be sent, if there is one."""
    made = (await api.get("/v1/webhooks")).body["webhooks"]
    paths = [f"/v1/webhooks/{one['id']}/deliveries" for one in made]
    return [one["event"] for path in paths for one in (await api.get(path)).body["deliveries"]]


async def test_an_api_that_sends_nothing_to_private_addresses_says_what_to_do(api: Api):
    with pytest.raises(Refused, match="CALLROOM_WEBHOOK_PRIVATE_ADDRESSES"):
        await receive(api.url, api.key, port=free_port())
    with pytest.raises(Refused, match=r"key[^;]*$"):
        await receive(api.url, "nobody's", port=free_port())


def test_an_address_without_a_scheme_is_named_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CALLROOM_API_KEY", "sb_secret_x")
    monkeypatch.setenv("CALLROOM_URL", "127.0.0.1:8080")
    assert main([]) == 1
    assert "CALLROOM_URL has to begin with http:// or https://" in capsys.readouterr().err
