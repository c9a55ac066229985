"""The models and voices of this installation, and the state of its dial queue."""

from tests.api.conftest import Api, MakeTenant, phone, run_api
from tests.conftest import MakeSettings
from tests.providers import Providers


async def test_the_language_models_that_the_server_lists_are_options(settings: MakeSettings):
    async with Providers() as providers:
        async for api in run_api(settings(llm_url=providers.url, llm_model="our-own", tts_url=providers.url)):
            options = (await api.get("/v1/agents/llm-options")).body
            async with api.session.get(f"{providers.url}/models") as answer:
                listed = [model["id"] for model in (await answer.json())["data"]]
    assert listed
    assert [model["id"] for model in options["models"]] == ["our-own", *(name for name in listed if name != "our-own")]
    assert {model["provider_id"] for model in options["models"]} == {"local"}
    assert options["usual"] == {"provider_id": "local", "id": "our-own"}
    assert options["voices"] == [{"id": "ash", "provider": "local", "name": "ash"}]


async def test_without_a_language_model_that_answers_the_configured_one_is_the_option(settings: MakeSettings):
    async for api in run_api(settings(llm_url="http://127.0.0.1:9/v1")):
        options = await api.get("/v1/agents/llm-options")
        assert options.status == 200
        assert [model["id"] for model in options.body["models"]] == ["gpt-4.1-mini"]
        assert options.body["voices"] == [{"id": "ash", "provider": "openai", "name": "ash"}]


async def test_of_a_plugin_only_its_name_is_known(settings: MakeSettings):
    async for api in run_api(settings(llm_provider="mistralai", llm_url="http://127.0.0.1:9/v1")):
        options = (await api.get("/v1/agents/llm-options")).body
        assert options["usual"] == {"provider_id": "mistralai", "id": None}


async def test_queue_stats_count_the_tenants_own_dial_jobs(api: Api, agent: str, tenant: MakeTenant):
    path = "/v1/calls/queue/stats"
    none = {"waiting": 0, "active": 0, "completed": 0, "failed": 0}
    assert (await api.get(path)).body == none
    await api.post("/v1/numbers", {"number": "+15559876543"})
    numbers = [f"+1555123400{digit}" for digit in range(3)]
    await api.post("/v1/calls/batch", {"agent_id": agent, "to": numbers})
    await api.post("/v1/calls", {"agent_id": agent, "participants": [phone()]})
    assert (await api.get(path)).body == {**none, "waiting": 4}
    assert (await api.get(path, key=(await tenant()).key)).body == none
