"""`GET /v1/health` and `GET /v1/jobs/dead`: whether everything is there that calls need, and what was given up."""

from typing import Any

from calls.database.engine import DEFAULT_TENANT
from calls.jobs import JobQueue, enqueue
from calls.processes import present
from calls.version import VERSION
from calls.workers import seats
from tests.api.conftest import Api, MakeTenant
from tests.conftest import Until


async def test_health_names_who_lives_and_who_is_missing(api: Api, until: Until):
    async def health() -> dict[str, Any]:
        return dict((await api.get("/v1/health")).body)

    async def is_known(*kinds: str) -> bool:
        return [process["kind"] for process in (await health())["processes"]] == list(kinds)

    await until(lambda: is_known("api"))
    alone = await health()
    assert (alone["status"], alone["missing"], alone["workers"]) == ("degraded", ["worker", "pipeline"], [])
    async with present(api.database, "worker"), present(api.database, "pipeline"):
        async with api.database.writing() as conn:
            await seats.tell(conn, "AW_1", 8, 3, is_strained=True)
        await until(lambda: is_known("api", "pipeline", "worker"))
        together = await health()
        assert (together["missing"], together["livekit"]) == ([], True)
        assert {process["version"] for process in together["processes"]} == {together["version"]} == {VERSION}
        [load] = together["workers"]
        assert (load["id"], load["seats"], load["taken"], load["strained"]) == ("AW_1", 8, 3, True)
    assert await is_known("api"), "who ends says so"


async def test_a_dead_job_is_listed_for_its_tenant(api: Api, tenant: MakeTenant):
    async with api.database.writing() as conn:
        for _ in range(2):
            await enqueue(conn, "summarize", {}, queue="dead", tenant_id=DEFAULT_TENANT, max_attempts=1)
    queue = JobQueue(api.database, "tests", 60)
    dead, refused = await queue.claim("dead", 2)
    await queue.retry(dead, "the model does not answer")
    await queue.give_up(refused, "the call was erased")
    page = (await api.get("/v1/jobs/dead")).body
    assert (page["total"], [(job["kind"], job["attempts"], job["error"]) for job in page["jobs"]]) == (
        1,
        [("summarize", 1, "the model does not answer")],
    )
    stranger = await tenant()
    assert (await api.get("/v1/jobs/dead", key=stranger.key)).body["total"] == 0
