"""Who of the providers does not answer, known before a call: asked in the background, so that no request waits."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Hashable, Iterable
from contextlib import suppress

from aiohttp import web

from api.routing import DATABASE, KEY, SETTINGS
from calls.agent_config import AgentConfig, AgentSnapshot
from calls.agents import get_agent, snapshot
from calls.errors import NotFound
from calls.providers.choice import KINDS, Kind
from calls.providers.endpoints import endpoints, own_provider
from calls.providers.health import Health, Unreachable, health_of, new_session
from calls.settings import Settings

logger = logging.getLogger(__name__)

EVERY_S = 30
SOONER_S = 5  # after it did not answer: a call shall not be warned of one that is back
UNUSED_S = 300  # so long after nobody wanted to know, one that only agents name is asked no more
KEPT_S, KEPT = 86_400, 1000  # so long, and of so many, it is then still known how they were
# So long a call waits for an answer: the first one of an agent in a while, as nobody knows before whom it names. A
# provider that is there, or whose port is closed, says so sooner; one that hangs is as it was found the last time.
MOMENT_S = 0.5


class ProviderHealth:
    """Asks the installation's own providers again and again, and each other as long as somebody wants to know of it.

    How one was that is asked no more is what is known of it until it has answered again. One that serves several kinds
    from one place with one key is asked once for all of them.
    """

    def __init__(self, settings: Settings) -> None:
        self._places = {kind: endpoints(settings, kind) for kind in KINDS}
        self._own: dict[Kind, str] = {kind: own_provider(settings, kind) for kind in KINDS}
        self._always = {self._who(kind, name) for kind, name in self._own.items()}
        self._http = new_session()
        self._asked: dict[Hashable, _Asked] = {}
        self._known_agents: dict[str, float] = {}

    async def close(self) -> None:
        """Ask nobody any more."""
        for asked in self._asked.values():
            asked.task.cancel()
        await asyncio.gather(*(asked.task for asked in self._asked.values()), return_exceptions=True)
        await self._http.close()

    def own(self) -> dict[Kind, dict[str, Health]]:
        """What is known of the installation's own, `{kind: {name: health}}`."""
        return {kind: {name: self._look(kind, name).health} for kind, name in self._own.items()}

    def unreachable(self, agent: AgentConfig) -> list[Unreachable]:
        """Those that the agent names and that are known not to work."""
        return [found for kind in KINDS for found in self._unreachable(kind, self._names(kind, agent))]

    def knows(self, agent_id: str) -> bool:
        """Whether those whom the agent names were asked a while ago and since."""
        return asyncio.get_running_loop().time() - self._known_agents.get(agent_id, -UNUSED_S) < UNUSED_S

    async def ask(self, agent_id: str, agent: AgentConfig) -> None:
        """Have asked those whom the agent names; back in a moment, whether they have answered or not."""
        now = asyncio.get_running_loop().time()
        self._known_agents = {one: at for one, at in self._known_agents.items() if now - at < UNUSED_S}
        self._known_agents[agent_id] = now
        asked = [self._look(kind, name) for kind in KINDS for name in self._names(kind, agent)]
        if unknown := [one.first for one in asked if not one.first.done()]:
            await asyncio.wait(unknown, timeout=MOMENT_S)

    def _names(self, kind: Kind, agent: AgentConfig) -> list[str]:
        names = [choice.provider or self._own[kind] for choice in agent.choices[kind]] or [self._own[kind]]
        return list(dict.fromkeys(names))

    def _unreachable(self, kind: Kind, names: Collection[str]) -> Iterable[Unreachable]:
        found = {name: self._look(kind, name).health for name in names}
        replaced = any(health.works for health in found.values())
        return (Unreachable(kind, name, health, replaced) for name, health in found.items() if not health.works)

    def _who(self, kind: Kind, name: str) -> Hashable:
        place = self._places[kind].get(name)
        return name if place is None else (place.protocol, place.url, place.key)

    def _look(self, kind: Kind, name: str) -> "_Asked":
        who = self._who(kind, name)
        asked = self._asked.get(who)
        if asked is None or asked.task.done():
            self._forget()
            last = self._asked.get(who)
            asked = _Asked(Health.UNASKED if last is None else last.health)
            asked.task = asyncio.create_task(self._keep_asking(asked, who, kind, name))
            self._asked[who] = asked
        asked.wanted_at = asyncio.get_running_loop().time()
        return asked

    async def _keep_asking(self, asked: "_Asked", who: Hashable, kind: Kind, name: str) -> None:
        clock = asyncio.get_running_loop().time
        while who in self._always or clock() - asked.wanted_at < UNUSED_S:
            asked.found(name, await health_of(self._http, self._places[kind], name))
            await asyncio.sleep(SOONER_S if asked.health is Health.SILENT else EVERY_S)

    def _forget(self) -> None:
        now = asyncio.get_running_loop().time()
        over = [(who, one.wanted_at) for who, one in self._asked.items() if one.task.done()]
        over.sort(key=lambda one: one[1], reverse=True)
        for place, (who, wanted_at) in enumerate(over):
            if place >= KEPT or now - wanted_at > KEPT_S:
                del self._asked[who]


class _Asked:
    """A provider that is asked by `task`, or was; `first` is done once it has answered to it, or had its time."""

    task: asyncio.Task[None]

    def __init__(self, health: Health) -> None:
        loop = asyncio.get_running_loop()
        self.wanted_at = loop.time()
        self.first: asyncio.Future[None] = loop.create_future()
        self.health = health

    def found(self, name: str, health: Health) -> None:
        """So it is, as of now."""
        if health.works != self.health.works:
            how = "a provider works again" if health.works else "a provider does not work"
            level = logging.INFO if health.works else logging.WARNING
            logger.log(level, how, extra={"provider": name, "health": health.value})
        self.health = health
        if not self.first.done():
            self.first.set_result(None)


PROVIDER_HEALTH = web.AppKey("provider_health", ProviderHealth)


async def open_provider_health(app: web.Application) -> AsyncIterator[None]:
    """Ask the installation's own from now on: the log says at the start who does not work (a `cleanup_ctx`)."""
    app[PROVIDER_HEALTH] = health = ProviderHealth(app[SETTINGS])
    health.own()
    yield
    await health.close()


async def ask_beforehand(request: web.Request, agent_id: str) -> None:
    """Have the agent's providers asked before its call is written, as nobody is to wait within a transaction.

    Whom it names is read once; if it names others since, they are asked when its next call is written.
    """
    health = request.app[PROVIDER_HEALTH]
    if health.knows(agent_id):
        return
    with suppress(NotFound):  # which whoever writes the call says
        async with request.app[DATABASE].reading() as conn:
            agent = snapshot(await get_agent(conn, request[KEY].tenant_id, agent_id))
        await health.ask(agent_id, AgentSnapshot.stored(agent))
