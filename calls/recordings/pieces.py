"""What each agent of a call recorded, on its way from the disk of its machine into the call's one recording.

The workers say what they have and bring it to the storage, the pipeline joins it. Both do so one after the other for
each call, by locking its row: what comes late is either seen by the one who joins, or asks for another joining.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.engine import upsert
from calls.errors import NotFound
from calls.jobs import enqueue
from calls.tables import calls, recording_pieces, recordings

ATTEMPTS = 10  # for a process that dies again and again: for the storage and for workers the job waits
WRITING = ".part"  # what the name of a file ends in that is not finished,
BEGINNING = f"{WRITING}.new"  # or of which there is not even a beginning that could be played


class PieceState(StrEnum):
    """Where a piece is."""

    LOCAL = "local"  # on the disk of its worker's machine
    STORED = "stored"  # in the storage, to be joined
    ADDED = "added"  # in the recording, which is made again when what is missing comes
    JOINED = "joined"  # in the recording, and no longer needed: its own file is to be removed
    REMOVED = "removed"  # in the recording, and no file of its own any more
    KEPT = "kept"  # not in the recording, or not to its end: its file stays in the storage to be looked at


@dataclass(frozen=True)
class Piece:
    """What the agent of one lease recorded from `starts_at_ms` of the call on; another one follows an interruption."""

    call_id: str
    token: int
    starts_at_ms: int

    @property
    def name(self) -> str:
        """The file's name on the worker's disk, `WRITING` behind it until it is finished."""
        return f"{self.call_id}.{self.token}.{self.starts_at_ms}.ogg"

    @property
    def key(self) -> str:
        """Where it is in the storage."""
        return f"pieces/{self.name}"

    @classmethod
    def named(cls, name: str) -> Self | None:
        """The piece of a file of that name, finished or not; None if it is none."""
        found = re.fullmatch(rf"([0-9a-f-]{{36}})\.([0-9]+)\.([0-9]+)\.ogg(?:{re.escape(WRITING)})?", name)
        return None if found is None else cls(found[1], int(found[2]), int(found[3]))


def recording_key(tenant_id: str, call_id: str, file_format: str) -> str:
    """Where the storage has what is made of a call's pieces."""
    return f"recordings/{tenant_id}/{call_id}.{file_format}"


def call_of(key: str) -> str:
    """The id of the call whose recording, or part of one, the storage has under that key."""
    return PurePosixPath(key).name.partition(".")[0]


async def queue_joining(conn: AsyncConnection, tenant_id: str, call_id: str, *, dedup: str | None = None) -> None:
    """Have the call's recording made of its pieces, in the caller's transaction."""
    await enqueue(
        conn,
        "store_recording",
        {"call_id": call_id},
        queue="recording",
        tenant_id=tenant_id,
        call_id=call_id,
        dedup=dedup,
        ordering_key=f"store_recording:{call_id}",
        lane=f"recording:{tenant_id}",
        max_attempts=ATTEMPTS,
    )


async def tell_of(conn: AsyncConnection, piece: Piece) -> PieceState | None:
    """Let it be known that a worker has this piece, and learn where it is known to be: `LOCAL` if not yet elsewhere.

    None: nobody may keep it, for its call's recording was erased.

    Raises:
        NotFound: there is no such call.
    """
    call = await _lock(conn, piece)
    if call.recording_erased_at is not None:
        return None
    columns = {"call_id": piece.call_id, "token": piece.token, "starts_at_ms": piece.starts_at_ms}
    add = upsert(conn, recording_pieces).values(**columns, state=PieceState.LOCAL)
    await conn.execute(add.on_conflict_do_nothing(index_elements=["call_id", "token", "starts_at_ms"]))
    return PieceState((await conn.execute(sa.select(recording_pieces.c.state).where(*_is(piece)))).scalar_one())


async def arrive(conn: AsyncConnection, piece: Piece) -> PieceState | None:
    """Let it be known that a piece, told of before, is in the storage; None: nobody may keep it there any more.

    If the recording was made without it, it is made again.
    """
    call = await _lock(conn, piece)
    if call.recording_erased_at is not None:
        return None
    local = (*_is(piece), recording_pieces.c.state == PieceState.LOCAL)
    stored = await conn.execute(sa.update(recording_pieces).where(*local).values(state=PieceState.STORED))
    settled = sa.exists().where(recordings.c.call_id == piece.call_id, recordings.c.status != "pending")
    if stored.rowcount and await conn.scalar(sa.select(settled)):
        await queue_joining(conn, call.tenant_id, piece.call_id)
    return PieceState.STORED


async def of_call(conn: AsyncConnection, call_id: str) -> dict[Piece, PieceState]:
    """The pieces that workers told of, in the order of their beginnings."""
    columns = recording_pieces.c
    query = sa.select(columns.call_id, columns.token, columns.starts_at_ms, columns.state)
    mine = query.where(columns.call_id == call_id).order_by(columns.starts_at_ms, columns.token)
    return {Piece(*which): PieceState(state) for *which, state in await conn.execute(mine)}


async def lock(conn: AsyncConnection, call_id: str) -> None:
    """From here to the end of the transaction no piece of the call arrives."""
    await conn.execute(sa.select(calls.c.id).where(calls.c.id == call_id).with_for_update())


async def set_state(conn: AsyncConnection, piece: Piece, state: PieceState) -> None:
    """Say where a piece is now."""
    await conn.execute(sa.update(recording_pieces).where(*_is(piece)).values(state=state))


async def forget(conn: AsyncConnection, call_id: str) -> None:
    """Clear away the rows of a call's pieces, whose files are gone."""
    await conn.execute(sa.delete(recording_pieces).where(recording_pieces.c.call_id == call_id))


async def _lock(conn: AsyncConnection, piece: Piece) -> sa.Row[*tuple[Any, ...]]:
    columns = sa.select(calls.c.tenant_id, calls.c.recording_erased_at)
    call = (await conn.execute(columns.where(calls.c.id == piece.call_id).with_for_update())).one_or_none()
    if call is None:
        raise NotFound("Call not found.")
    return call


def _is(piece: Piece) -> tuple[sa.ColumnElement[bool], ...]:
    columns = recording_pieces.c
    return columns.call_id == piece.call_id, columns.token == piece.token, columns.starts_at_ms == piece.starts_at_ms
