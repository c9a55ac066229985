"""The worker's transcript: what was said reaches the database in order, whatever happens to the database meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from calls.database.engine import Database
from tests.conftest import PATIENCE_S
from worker.room.transcript import Caption, Said

pytestmark = pytest.mark.restless


async def test_a_final_segment_is_written_with_its_speaker_and_times(running):
    writer = running.writer()
    spoken = writer.begin("user", "ada")
    writer.update(spoken, "I need a", 1.0, 1.6, final=False)
    writer.update(spoken, "I need a table.", 1.0, 2.25, final=True)
    assert await writer.flush()
    (row,) = await running.rows()
    assert (row.text, row.started_at_ms, row.ended_at_ms, row.is_final) == ("I need a table.", 1000, 2250, True)
    assert (row.participant_identity, row.participant_id) == ("ada", running.call.participants[0].id)


async def test_an_unfinished_segment_is_readable_while_it_grows(running, until):
    writer = running.writer()
    writer.update(writer.begin("agent", None), "Good", 0.5, 0.7, final=False)
    await until(running.rows)
    assert [(row.text, row.is_final) for row in await running.rows()] == [("Good", False)]
    await writer.flush()


async def test_segments_are_numbered_by_their_beginnings_also_when_one_is_known_late(running):
    writer = running.writer()
    ada, agent, bob = writer.begin("user", "ada"), writer.begin("agent", None), writer.begin("user", "bob")
    writer.update(agent, "Hello, who is there?", 0.0, 1.0, final=True)
    writer.update(bob, "Bob.", 2.0, 2.5, final=True)
    await writer.flush()
    writer.update(ada, "It is Ada.", 1.5, 3.0, final=True)
    assert await writer.flush()
    assert await running.lines() == [
        (0, "agent", "Hello, who is there?"),
        (1, "user", "It is Ada."),
        (2, "user", "Bob."),
    ]


async def test_a_segment_without_words_leaves_no_row_and_no_gap(running):
    writer = running.writer()
    writer.update(writer.begin("user", "ada"), "", 0.0, 0.2, final=True)
    writer.update(writer.begin("agent", None), "Hello\x00 \ud800.", 1.0, 2.0, final=True)
    assert await writer.flush()
    assert await running.lines() == [(0, "agent", "Hello ?.")]


async def test_a_long_conversation_is_written_in_few_batches(running):
    writer = running.writer()
    for second in range(300):
        writer.update(writer.begin("user", "ada"), f"Sentence {second}.", second, second + 0.9, final=True)
    assert await writer.flush()
    assert [row.text for row in await running.rows()] == [f"Sentence {second}." for second in range(300)]


async def test_who_lost_the_lease_writes_nothing_more_and_says_so(running):
    writer = running.writer()
    writer.update(writer.begin("agent", None), "Hello.", 0.0, 1.0, final=True)
    assert await writer.flush()
    assert await running.take_over() is not None
    segment = writer.begin("agent", None)
    writer.update(segment, "Am I still here?", 2.0, 3.0, final=True)
    assert not await writer.flush()
    writer.update(segment, "Nobody listens.", 2.0, 3.0, final=True)
    assert not await writer.flush()
    assert await running.lines() == [(0, "agent", "Hello.")]


async def test_another_worker_goes_on_after_what_the_first_one_wrote(running):
    first = running.writer()
    first.update(first.begin("agent", None), "Hello.", 0.0, 1.0, final=True)
    assert await first.flush()
    token = await running.take_over()
    second = running.writer(token=token, first=1)
    second.update(second.begin("agent", None), "Where were we?", 5.0, 6.0, final=True)
    assert await second.flush()
    assert await running.lines() == [(0, "agent", "Hello."), (1, "agent", "Where were we?")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_card_number_is_in_no_state_of_a_segment_and_in_no_caption(running, database_url):
    captions: list[Caption] = []
    writer = running.writer(redact=["card"], on_caption=captions.append)
    card = writer.begin("user", "ada")
    writer.update(card, "It is four one one one", 0.0, 1.0, final=False)
    writer.update(card, "It is four one one one one one one one", 0.0, 2.0, final=True)
    writer.update(writer.begin("agent", None), "Go on.", 2.0, 2.4, final=True)
    assert await writer.flush()
    assert await running.lines() == [(0, "user", "It is [number]"), (1, "agent", "Go on.")]
    writer.update(writer.begin("user", "ada"), "one one one one one one one one. Yes.", 3.0, 5.0, final=True)
    writer.update(writer.begin("user", "ada"), "My order is 123456.", 6.0, 7.0, final=True)
    assert await writer.flush()
    lines = [(0, "user", "It is [card]"), (1, "agent", "Go on."), (2, "user", "[card]. Yes.")]
    assert await running.lines() == [*lines, (3, "user", "My order is [number].")]
    assert await writer.complete()
    assert await running.lines() == [*lines, (3, "user", "My order is 123456.")]
    assert [said.text for said in writer.said()] == [text for _, _, text in await running.lines()]
    assert [(caption.segment, caption.text) for caption in captions] == [
        (0, "It is four one one one"),
        (0, "It is [number]"),
        (1, "Go on."),
        (0, "It is [card]"),
        (2, "[card]. Yes."),
        (3, "My order is [number]."),
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_of_a_number_that_is_said_to_two_agents_no_part_is_in_the_clear(running):
    first = running.writer(redact=["card"])
    first.update(first.begin("user", "ada"), "My card is 4111 1111", 0.0, 2.0, final=False)
    first.update(first.begin("user", "bob"), "We are 4.", 2.0, 3.0, final=True)
    assert await first.flush()
    token = await running.take_over()
    earlier = [Said(row.speaker, row.text, row.participant_identity, whole=True) for row in await running.rows()]
    second = running.writer(token=token, first=2, earlier=earlier, redact=["card"])
    second.update(second.begin("user", "ada"), "1111 1111 and thanks. At 8.", 4.0, 6.0, final=True)
    second.update(second.begin("user", "bob"), "5 with me.", 5.0, 6.0, final=True)
    assert await second.complete()
    assert [text for *_, text in await running.lines()] == [
        "My card is [number]",
        "We are 4.",
        "[number] and thanks. At 8.",
        "5 with me.",
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_while_another_process_writes_the_transcript_waits(running, database_url):
    writer = running.writer()
    other = Database(database_url, patience_s=PATIENCE_S)
    async with other.writing() as connection:
        await connection.execute(sa.select(1))
        writer.update(writer.begin("agent", None), "Hello.", 0.0, 1.0, final=True)
        flushed = asyncio.create_task(writer.flush())
        writer.update(writer.begin("user", "ada"), "Hi.", 1.0, 2.0, final=True)
        await asyncio.wait([flushed], timeout=0.5)
        assert not flushed.done()
    assert await flushed
    assert await writer.flush()
    await other.close()
    assert await running.lines() == [(0, "agent", "Hello."), (1, "user", "Hi.")]


class Network:
    """A TCP connection to the database that can be cut and restored."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._pipes: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def restore(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for pipe in self._pipes:
            pipe.transport.abort()
        self._pipes.clear()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._pipes |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer), return_exceptions=True)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    target.close()


@asynccontextmanager
async def network_to(url: str) -> AsyncIterator[tuple[Network, Database]]:
    parsed = make_url(url)
    network = Network(parsed.host or "", parsed.port or 0)
    await network.restore()
    database = Database(parsed.set(host="127.0.0.1", port=network.port).render_as_string(hide_password=False))
    try:
        yield network, database
    finally:
        await database.close()
        network.cut()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_what_is_said_while_the_database_is_away_is_written_when_it_is_back(running, database_url, until, caplog):
    async with network_to(database_url) as (network, database):
        writer = running.writer(database)
        writer.update(writer.begin("agent", None), "Hello.", 0.0, 1.0, final=True)
        await writer.flush()
        network.cut()
        writer.update(writer.begin("user", "ada"), "Are you there?", 1.0, 2.0, final=True)
        await until(lambda: "the database is away" in caplog.text)
        assert await running.lines() == [(0, "agent", "Hello.")]
        await network.restore()
        assert await writer.flush()
    assert await running.lines() == [(0, "agent", "Hello."), (1, "user", "Are you there?")]
