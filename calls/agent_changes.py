"""What was changed of agents: who changed which field from what to what, and how it is undone.

A field is what is changed for itself: `first_message`, `features.redact`, `post_call.summary.prompt`; a list is one.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.agent_config import AgentConfig
from calls.database.clock import moment
from calls.database.encryption import Keyring
from calls.errors import Conflict, NotFound
from calls.tables import agent_changes, api_keys

Row = sa.Row[Any]
Side = dict[str, Any]  # {"value": …}, or {} where there was nothing

HIDDEN = "•••"
# How deep a field's own fields are fields: all others are changed as a whole.
_DEPTHS = {"features": 1, "phrases": 1, "retention_days": 1, "post_call": 2}
_SECRET_NAME = re.compile(r"key|secret|token|password|credential|auth|headers|cookie", re.IGNORECASE)
_SCHEME = re.compile(r"\s*(bearer|basic|token|apikey|api-key)?\s*", re.IGNORECASE)  # all that a header may spell out
_PLACE = re.compile(r"\{\{\s*[\w.-]+\s*\}\}")  # with a default it is no mere place
_USER = re.compile(r"(?<=://)[^/?#]*@")


@dataclass(frozen=True)
class Difference:
    """One field that is not the same any more."""

    field: str
    before: Side
    after: Side


def state_of(agent: Row) -> dict[str, Any]:
    """Everything of an agent that can be changed."""
    return {"name": agent.name, **AgentConfig.stored(agent.config).config()}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The fields that differ between two states of an agent."""
    return [
        one
        for field in {**before, **after}
        for one in _compare(field, _side(before, field), _side(after, field), _DEPTHS.get(field, 0))
    ]


async def record(conn: AsyncConnection, keyring: Keyring, key_id: str, before: Row, after: Row) -> None:
    """Write down what a key has changed of an agent, in the transaction that changes it."""
    at = moment(conn)
    same = {"agent_id": after.id, "key_id": key_id, "created_at": at}
    rows = [
        {"id": str(uuid.uuid4()), **same, **_kept(keyring, one)}
        for one in differences(state_of(before), state_of(after))
    ]
    if rows:
        await conn.execute(sa.insert(agent_changes), rows)


async def list_changes(
    conn: AsyncConnection, agent_id: str, since: datetime | None, limit: int, offset: int
) -> tuple[list[Row], int]:
    """Give a page of an agent's changes with the keys that made them, the newest first, and how many there are."""
    wanted = [agent_changes.c.agent_id == agent_id]
    if since is not None:
        wanted.append(agent_changes.c.created_at >= since)
    total = await conn.scalar(sa.select(sa.func.count()).select_from(agent_changes).where(*wanted))
    query = (
        sa.select(agent_changes, api_keys.c.label, api_keys.c.key_prefix)
        .join(api_keys, api_keys.c.id == agent_changes.c.key_id)
        .where(*wanted)
        .order_by(agent_changes.c.created_at.desc(), agent_changes.c.id.desc())
    )
    return list((await conn.execute(query.limit(limit).offset(offset))).all()), total or 0


async def get_change(conn: AsyncConnection, agent_id: str, change_id: str) -> Row:
    """Give one change of the agent; NotFound if there is none."""
    wanted = (agent_changes.c.id == change_id, agent_changes.c.agent_id == agent_id)
    row = (await conn.execute(sa.select(agent_changes).where(*wanted))).one_or_none()
    if row is None:
        raise NotFound("Change not found.")
    return row


def is_as_left(agent: Row, change: Row) -> bool:
    """Whether the field is, as far as it is shown, still as the change left it."""
    return bool(_shown(change.field, _at(state_of(agent), change.field)) == change.after)


def undone(agent: Row, change: Row, keyring: Keyring) -> dict[str, Any]:
    """The agent's field, as a whole, with what was there before the change: `{"post_call": {…}}`.

    Raises:
        Conflict: it is not as the change left it.
        SecretUnreadable: what was hidden of it was encrypted with a key that is not there any more.
    """
    both = {"before": change.before, "after": change.after}
    if change.hidden is not None:
        both = orjson.loads(keyring.decrypt(change.hidden))
    state = state_of(agent)
    if _at(state, change.field) != both["after"]:
        message = f"{change.field} was changed again since: undo that first."
        raise Conflict(message, code="changed_since")
    name, *path = change.field.split(".")
    return {name: _put(state.get(name), path, both["before"])}


def _compare(field: str, before: Side, after: Side, depth: int) -> Iterator[Difference]:
    if before == after:
        return
    one, other = before.get("value"), after.get("value")
    if depth and isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            yield from _compare(f"{field}.{name}", _side(one, name), _side(other, name), depth - 1)
    else:
        yield Difference(field, before, after)


def _side(within: object, name: str) -> Side:
    return {"value": within[name]} if isinstance(within, Mapping) and name in within else {}


def _at(state: dict[str, Any], field: str) -> Side:
    found: Side = {"value": state}
    for name in field.split("."):
        found = _side(found.get("value"), name)
    return found


def _put(within: Any, path: list[str], side: Side) -> Any:  # noqa: ANN401 # JSON
    if not path:
        return side.get("value")
    name, *rest = path
    copy = dict(within or {})
    if not rest and not side:
        copy.pop(name, None)
    else:
        copy[name] = _put(copy.get(name), rest, side)
    return copy


def _kept(keyring: Keyring, one: Difference) -> dict[str, Any]:
    shown = {"before": _shown(one.field, one.before), "after": _shown(one.field, one.after)}
    both = {"before": one.before, "after": one.after}
    hidden = None if shown == both else keyring.encrypt(orjson.dumps(both).decode())
    return {"field": one.field, **shown, "hidden": hidden}


def _shown(field: str, side: Side) -> Side:
    """What anybody may see of it for good: addresses and headers of tools and options of providers can hold a key."""
    if not side:
        return side
    if field in {"tools", "mcp_servers"}:
        return {"value": [_tool(one) for one in side["value"]]}
    if field in {"stt", "llm", "tts"}:
        return {"value": [{**one, "options": _option(one["options"])} for one in side["value"]]}
    return side


def _tool(one: dict[str, Any]) -> dict[str, Any]:
    headers = {name: text if _SCHEME.fullmatch(_written_out(text)) else HIDDEN for name, text in one["headers"].items()}
    return {**one, "url": _url(one["url"]), "headers": headers}


def _option(value: Any) -> Any:  # noqa: ANN401 # JSON
    if isinstance(value, dict):
        return {name: HIDDEN if _SECRET_NAME.search(name) else _option(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_option(one) for one in value]
    return _url(value) if isinstance(value, str) and "://" in value else value


def _url(url: str) -> str:
    """Without who asks, and without what is written out in its query."""
    address, mark, query = _USER.sub(f"{HIDDEN}@", url).partition("?")
    return address + mark + "&".join(_pair(one) for one in query.split("&"))


def _pair(pair: str) -> str:
    name, mark, value = pair.partition("=")
    if not mark:  # no name is there to tell: it is all value
        return HIDDEN if _written_out(pair) else pair
    return f"{name}={HIDDEN if _written_out(value) else value}"


def _written_out(template: str) -> str:
    return _PLACE.sub("", template)
