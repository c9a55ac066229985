"""The keeper of trunks: brings LiveKit to what is saved, repairs what it lost, and notes whether phones work now.

LiveKit keeps its trunks in Redis and offers no way to compare and change them at once: so one pipeline looks at a time.
It begins each look with what there is, of which it changes only what is different. Whatever one that died, or that
stood still for too long, has left half done is found by its name in the next look, and set right.
"""

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from livekit import api

from calls.database.changes import TRUNKS, Watch
from calls.database.encryption import Keyring
from calls.database.engine import Database
from calls.errors import DatabaseAway, SecretUnreadable
from calls.phones import numbers as phones
from calls.phones.trunk import Look, Outcome, begin_look, end_look, hold_look, is_look_due
from calls.settings import Settings
from calls.tables import numbers, trunks
from pipeline.deps import Deps
from pipeline.sip import Part, Parts, Sip, SipProblem
from pipeline.trunk import (
    Wanted,
    dispatch_rule,
    inbound_trunk,
    name_of,
    outbound_trunk,
    tenant_of,
    without_numbers_of_others,
)

log = logging.getLogger(__name__)

EVERY_S = 5.0
BRIDGE_EVERY_S = 15.0  # LiveKit logs a page for each time that it is asked
PAUSE_S = 0.2  # between two looks, whatever is saved in between


class _LookLost(Exception):
    """Another pipeline looks by now."""


@dataclass
class _Ours:
    """The parts that LiveKit has for one tenant; of each kind one, once what is too many is removed."""

    outbound: list[api.SIPOutboundTrunkInfo] = field(default_factory=list)
    inbound: list[api.SIPInboundTrunkInfo] = field(default_factory=list)
    rules: list[api.SIPDispatchRuleInfo] = field(default_factory=list)


@dataclass(frozen=True)
class _Saved:
    """What is saved of every tenant, at one moment."""

    trunks: list[sa.Row[Any]]
    numbers: dict[str, list[str]]  # tenant -> its numbers
    meanings: dict[str, str]  # bare digits -> the number that they mean
    owners: dict[str, str]  # bare digits -> the tenant of that number


async def keep_trunks(deps: Deps, stop: asyncio.Event) -> None:
    """Look every few seconds, and when something was saved, until `stop` is set."""
    stopped = asyncio.create_task(stop.wait())
    try:
        async with Sip.connect(deps.settings) as sip, deps.db.changes.watch(TRUNKS) as watch:
            keeper = TrunkKeeper(deps.db, deps.keyring, sip, deps.settings, EVERY_S)
            while not stop.is_set():
                done = await _look(keeper)
                await asyncio.wait({stopped}, timeout=PAUSE_S if done else EVERY_S)
                await _woken(watch, stopped)
    finally:
        stopped.cancel()


async def _look(keeper: "TrunkKeeper") -> bool:
    """Whether all was done that could be: what is left does not go away by looking at it all the time."""
    try:
        await keeper.look()
    except DatabaseAway:
        log.warning("trunks cannot be kept: the database is away")
        return False
    except Exception:  # whatever it was, the next look comes
        log.exception("the keeper of trunks stumbled")
        return False
    return keeper.reaches_livekit


async def _woken(watch: Watch, stopped: asyncio.Task[bool]) -> None:
    changed = asyncio.create_task(watch.wait(EVERY_S))
    await asyncio.wait({changed, stopped}, return_when=asyncio.FIRST_COMPLETED)
    changed.cancel()
    await asyncio.gather(changed, return_exceptions=True)


class TrunkKeeper:
    """Looks after every tenant's trunk; any number of keepers may do so at once."""

    def __init__(self, db: Database, keyring: Keyring, sip: Sip, settings: Settings, every_s: float) -> None:
        self._db = db
        self._keyring = keyring
        self._sip = sip
        self._settings = settings
        self._lease_s = settings.lease_s
        self._every_s = every_s
        self._bridge_seen_at = -math.inf
        self._problem: str | None = None
        self.reaches_livekit = True  # as far as this one's last look showed

    async def look(self) -> bool:
        """Look if it is time; False if it is not, or if the look was lost to another pipeline."""
        async with self._db.reading() as conn:
            if not await is_look_due(conn, self._every_s):
                return False
        async with self._db.writing() as conn:
            look = await begin_look(conn, self._lease_s, self._every_s)
        if look is None:
            return False
        saved = await self._saved()
        outcomes: list[Outcome] = []
        problem = None
        self.reaches_livekit = False
        try:
            await self._set_right(look, saved, outcomes)
            self.reaches_livekit = True
            if outcomes:
                await self._find_bridge()
        except SipProblem as error:
            problem = str(error)
        except api.TwirpError as error:
            problem = f"LiveKit refuses what it is asked: {error.message}"
        except _LookLost:
            log.warning("a look at the trunks took too long and was left to another pipeline")
            return False
        async with self._db.writing() as conn:
            await end_look(conn, look, problem, outcomes)
        self._tell(problem if saved.trunks else None)
        return True

    def _tell(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            log.warning("phones do not work: %s", problem)
        self._problem = problem

    async def _set_right(self, look: Look, saved: _Saved, outcomes: list[Outcome]) -> None:
        parts = await self._sip.list_parts()
        ours, others = _sorted(parts, look.installation)
        wanting = {row.tenant_id: row for row in saved.trunks if row.tenant_id in saved.numbers}
        for tenant_id in ours.keys() - wanting.keys():
            await self._remove(look, _all(ours.pop(tenant_id)))
        for tenant_id, row in wanting.items():
            await self._remove(look, _too_many(ours[tenant_id], row.livekit_ids))
        await self._let_go(look, ours, saved)
        for tenant_id, row in wanting.items():
            outcomes.append(await self._bring(look, row, ours[tenant_id], others, saved))

    async def _saved(self) -> _Saved:
        async with self._db.reading() as conn:
            rows = list((await conn.execute(sa.select(trunks).order_by(trunks.c.tenant_id))).all())
            query = sa.select(numbers.c.number, numbers.c.tenant_id).order_by(numbers.c.number)
            tenants = {row.number: row.tenant_id for row in await conn.execute(query)}
        owned: defaultdict[str, list[str]] = defaultdict(list)
        for number, tenant_id in tenants.items():
            owned[tenant_id].append(number)
        meanings = phones.meanings(tenants)
        return _Saved(rows, owned, meanings, {digits: tenants[number] for digits, number in meanings.items()})

    async def _let_go(self, look: Look, ours: dict[str, _Ours], saved: _Saved) -> None:
        """Take numbers from trunks whose tenants have lost them, before others get them: no call finds two trunks."""
        for tenant_id, parts in ours.items():
            for found in list(parts.inbound):
                part = without_numbers_of_others(found, tenant_id, saved.owners)
                if part == found:
                    continue
                parts.inbound.remove(found)
                if part.numbers:
                    await self._save(look, part)
                    parts.inbound.append(part)
                else:  # without numbers it would take the calls to all of them
                    await self._remove(look, [found])

    async def _bring(self, look: Look, row: sa.Row[Any], parts: _Ours, others: set[str], saved: _Saved) -> Outcome:
        ids: dict[str, str] = {}
        failure = None
        try:
            wanted, taken = self._wanted(look, row, others, saved)
            ids["outbound"] = await self._ensure(
                look, outbound_trunk(wanted, next(iter(parts.outbound), None)), parts.outbound
            )
            if wanted.admits_calls:
                ids["inbound"] = await self._ensure(
                    look, inbound_trunk(wanted, next(iter(parts.inbound), None)), parts.inbound
                )
                rule = dispatch_rule(wanted, ids["inbound"], self._settings, next(iter(parts.rules), None))
                ids["rule"] = await self._ensure(look, rule, parts.rules)
            else:
                await self._remove(look, [*parts.inbound, *parts.rules])
            if taken:
                failure = f"Another trunk of this LiveKit server has {', '.join(taken)}."
        except SecretUnreadable as error:  # LiveKit keeps what it has
            return Outcome(row.tenant_id, row.version, row.livekit_ids, str(error))
        except api.TwirpError as error:
            failure = f"LiveKit refused the trunk: {error.message}"
        return Outcome(row.tenant_id, row.version, ids, failure)

    def _wanted(self, look: Look, row: sa.Row[Any], others: set[str], saved: _Saved) -> tuple[Wanted, list[str]]:
        """What LiveKit should have, and the numbers that it cannot have, as somebody else's trunk has them."""
        own = saved.numbers[row.tenant_id]
        clear = [
            spelling
            for number in own
            for spelling in phones.spellings(number)
            if saved.meanings.get(phones.bare(spelling)) == number
        ]
        wanted = Wanted(
            tenant_id=row.tenant_id,
            name=name_of(look.installation, row.tenant_id),
            address=row.address,
            transport=row.transport,
            username=row.username or "",
            password="" if row.password is None else self._keyring.decrypt(row.password),
            allowed_addresses=row.allowed_addresses,
            numbers=own,
            called=[spelling for spelling in clear if phones.bare(spelling) not in others],
        )
        return wanted, [number for number in own if phones.bare(number) in others]

    async def _ensure(self, look: Look, part: Part, found: Iterable[Part]) -> str:
        """The id under which LiveKit has the part, changed only if it is different."""
        if part in found:
            return part.sip_dispatch_rule_id if isinstance(part, api.SIPDispatchRuleInfo) else part.sip_trunk_id
        return await self._save(look, part)

    async def _save(self, look: Look, part: Part) -> str:
        await self._hold(look)
        return await self._sip.save(part)

    async def _remove(self, look: Look, parts: Iterable[Part]) -> None:
        for part in parts:
            await self._hold(look)
            await self._sip.remove(part)

    async def _hold(self, look: Look) -> None:
        async with self._db.writing() as conn:
            if not await hold_look(conn, look, self._lease_s):
                raise _LookLost

    async def _find_bridge(self) -> None:
        now = time.monotonic()
        if now - self._bridge_seen_at >= BRIDGE_EVERY_S:
            await self._sip.find_bridge()
            self._bridge_seen_at = now


def _sorted(parts: Parts, installation: str) -> tuple[dict[str, _Ours], set[str]]:
    """Ours by tenant, and the numbers, as bare digits, of everybody else's inbound trunks."""
    ours: defaultdict[str, _Ours] = defaultdict(_Ours)
    others: set[str] = set()
    for trunk in parts.outbound:
        if (tenant_id := tenant_of(installation, trunk.name)) is not None:
            ours[tenant_id].outbound.append(trunk)
    for inbound in parts.inbound:
        if (tenant_id := tenant_of(installation, inbound.name)) is not None:
            ours[tenant_id].inbound.append(inbound)
        else:
            others |= {phones.bare(number) for number in inbound.numbers}
    for rule in parts.rules:
        if (tenant_id := tenant_of(installation, rule.name)) is not None:
            ours[tenant_id].rules.append(rule)
    return ours, others


def _all(ours: _Ours) -> list[Part]:
    return [*ours.outbound, *ours.inbound, *ours.rules]


def _too_many(ours: _Ours, known: dict[str, str]) -> list[Part]:
    """Drop all but one of each kind: that which is written down, as calls are made with it, else always the same."""
    ours.outbound.sort(key=lambda part: (part.sip_trunk_id != known.get("outbound"), part.sip_trunk_id))
    ours.inbound.sort(key=lambda part: (part.sip_trunk_id != known.get("inbound"), part.sip_trunk_id))
    ours.rules.sort(key=lambda part: (part.sip_dispatch_rule_id != known.get("rule"), part.sip_dispatch_rule_id))
    dropped: list[Part] = [*ours.outbound[1:], *ours.inbound[1:], *ours.rules[1:]]
    del ours.outbound[1:], ours.inbound[1:], ours.rules[1:]
    return dropped
