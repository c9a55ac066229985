"""Files by key: in a folder, and in a bucket of a server that speaks S3."""

import asyncio
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

from calls.errors import Invalid, StorageAway
from calls.recordings.storage import Storage
from calls.settings import Settings
from tests.servers import S3Server

KEY = "recordings/tenant/call.ogg"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "call.ogg"
    file.write_bytes(b"OggS of a call")
    return file


def storage(url: str, secret: str = "a secret of the tests") -> Storage:
    return Storage(Settings(_env_file=None, storage_url=url, livekit_api_secret=secret))


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    return storage((tmp_path / "kept here").as_uri())


def parts(link: str) -> tuple[str, str, str]:
    url = urlsplit(link)
    query = parse_qs(url.query)
    return url.path.removeprefix("/v1/recordings/"), query["expires"][0], query["signature"][0]


async def test_a_file_is_kept_replaced_and_deleted_in_a_folder(folder, recording, tmp_path):
    assert not await folder.exists(KEY)
    for content in (b"first", b"second"):
        recording.write_bytes(content)
        await folder.put_file(KEY, recording)
    assert await folder.exists(KEY)
    assert folder.file(KEY).read_bytes() == b"second"
    with (tmp_path / "fetched").open("wb") as fetched:
        await folder.fetch(KEY, fetched)
    assert (tmp_path / "fetched").read_bytes() == b"second"
    await folder.delete(KEY)
    await folder.delete(KEY)
    assert folder.file(KEY) is None


async def test_what_a_killed_process_had_written_of_a_file_goes_with_it(folder, recording):
    """Also where the file itself was never there."""
    for key in (KEY, "recordings/tenant/another.ogg"):
        await folder.put_file(key, recording)
    kept = folder.file(KEY).parent
    broken_off = f"""
import obstore, os, signal
from obstore.store import LocalStore

def half():
    yield b"what was said"
    os.kill(os.getpid(), signal.SIGKILL)

obstore.put(LocalStore({str(kept)!r}), "call.ogg", half(), chunk_size=1, max_concurrency=1)
"""
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", broken_off)
    assert await killed.wait() == -signal.SIGKILL
    assert len(list(kept.iterdir())) == 3
    await folder.delete(KEY)
    assert [file.name for file in kept.iterdir()] == ["another.ogg"]
    (kept / "call.ogg#2").write_bytes(b"what was said")
    await folder.delete(KEY)
    assert [file.name for file in kept.iterdir()] == ["another.ogg"]


async def test_a_link_holds_for_its_key_and_time_and_nobody_else_can_make_one(folder, tmp_path):
    key, expires, signature = parts(folder.signed_url(KEY, 60))
    assert folder.verify(key, expires, signature)
    assert not folder.verify("recordings/tenant/other.ogg", expires, signature)
    assert not folder.verify(key, str(int(expires) + 1), signature)
    assert not folder.verify(*parts(folder.signed_url(KEY, -1)))
    assert not storage((tmp_path / "kept here").as_uri(), "another secret").verify(key, expires, signature)


@pytest.mark.parametrize("strange", ["", "-1", "1e9", "٣", "9" * 5000, "\ud800"])
async def test_a_strange_link_is_just_wrong(folder, strange):
    key, expires, signature = parts(folder.signed_url(KEY, 60))
    assert not folder.verify(key, strange, signature)
    assert not folder.verify(key, expires, strange)
    assert not folder.verify(strange, expires, signature)


def test_an_address_of_another_kind_is_refused_by_name():
    with pytest.raises(Invalid, match="CALLROOM_STORAGE_URL"):
        storage("ftp://host/folder")


def store_in_bucket(s3: S3Server) -> Storage:
    """One with a bucket of its own."""
    name = f"calls-{uuid.uuid4()}"
    s3.create(name)
    return storage(f"s3://{name}/of a customer")


async def test_a_file_is_kept_replaced_fetched_and_deleted_in_a_bucket(s3, recording, tmp_path):
    bucket = store_in_bucket(s3)
    assert not await bucket.exists(KEY)
    for content in (b"first", b"second"):
        recording.write_bytes(content)
        await bucket.put_file(KEY, recording)
    assert await bucket.exists(KEY)
    with (tmp_path / "fetched").open("w+b") as fetched:
        await bucket.fetch(KEY, fetched)
        with pytest.raises(FileNotFoundError):
            await bucket.fetch("another", fetched)
    assert (tmp_path / "fetched").read_bytes() == b"second"
    assert bucket.file(KEY) is None
    await bucket.delete(KEY)
    await bucket.delete(KEY)
    assert not await bucket.exists(KEY)


async def test_a_bucket_is_told_what_kind_of_sound_a_file_is(monkeypatch, recording):
    """A server that takes everything: the one that speaks S3 here guesses by names, as not all do."""
    told = []

    async def take(request: web.Request) -> web.Response:
        told.append(request.headers.get("Content-Type"))
        return web.Response(headers={"ETag": '"1"'})

    app = web.Application()
    app.router.add_put("/{anything:.*}", take)
    async with TestServer(app) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(server.make_url("")).rstrip("/"))
        for name, value in (("ALLOW_HTTP", "true"), ("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret")):
            monkeypatch.setenv(f"AWS_{name}", value)
        for ending in ("wav", "ogg"):
            await storage("s3://calls").put_file(f"recordings/call.{ending}", recording)
    assert told == ["audio/wav", "audio/ogg"]


async def test_a_large_file_goes_to_a_bucket_and_back_with_a_few_parts_of_it_in_memory(s3, tmp_path):
    bucket, size = store_in_bucket(s3), 160 * 2**20
    with (tmp_path / "large").open("wb") as large:
        large.truncate(size)
    with memory_growth() as grown:
        await bucket.put_file(KEY, tmp_path / "large")
        with (tmp_path / "fetched").open("wb") as fetched:
            await bucket.fetch(KEY, fetched)
    assert (tmp_path / "fetched").stat().st_size == size
    assert grown() < size / 2


@contextmanager
def memory_growth() -> Iterator[Callable[[], int]]:
    """How many bytes more this process has had at any moment since the block began than when it did."""

    def peak() -> int:
        [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    yield lambda: peak() - before


async def test_a_bucket_honours_the_address_of_a_file_as_it_was_signed_and_no_other(s3, recording, until):
    bucket = store_in_bucket(s3)
    other = "recordings/another/call.ogg"
    for key in (KEY, other):
        await bucket.put_file(key, recording)
    get, head = await address(bucket, "GET", 60), await address(bucket, "HEAD", 60)
    async with ClientSession() as session:

        async def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
            async with session.request(method, URL(url, encoded=True), headers=headers) as answer:
                return answer.status, await answer.read()

        content = recording.read_bytes()
        assert await ask(get) == (200, content)
        assert (await ask(get, Range="bytes=2-5"))[1] == content[2:6]
        assert await ask(head, "HEAD") == (200, b"")
        altered = [
            get.replace("recordings/tenant", "recordings/another"),
            get.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
            get.partition("?")[0],
        ]
        for url in altered:
            assert url != get
            assert (await ask(url))[0] in {400, 403}
        assert (await ask(get, "DELETE"))[0] == 403
        short = await address(bucket, "GET", 1)
        await until(lambda: is_refused(ask, short))


async def address(bucket: Storage, method: Literal["GET", "HEAD"], expires_s: int) -> str:
    signed = await bucket.bucket_url(method, KEY, expires_s)
    assert signed is not None
    return signed


async def is_refused(ask: Callable[[str], Awaitable[tuple[int, bytes]]], url: str) -> bool:
    return (await ask(url))[0] in {400, 403}


async def test_what_is_wrong_with_a_bucket_is_told_in_words_without_its_secrets(s3, recording, monkeypatch):
    bucket, nowhere = store_in_bucket(s3), storage("s3://nowhere")
    with pytest.raises(StorageAway, match=r"^The storage has no such bucket\.$"):
        await nowhere.put_file(KEY, recording)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    refused = store_in_bucket(s3)
    uses = [refused.put_file(KEY, recording), refused.exists(KEY), refused.delete(KEY), refused.fetch(KEY, BytesIO())]
    for use in uses:
        with pytest.raises(StorageAway, match=r"^The storage refuses the credentials that it is given\.$"):
            await use
    s3.stop()
    with pytest.raises(StorageAway, match=r"^The storage does not answer\.$"):
        await bucket.put_file(KEY, recording)
