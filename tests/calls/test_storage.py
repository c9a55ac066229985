"""Files by key: in a folder, and in a bucket of a server that speaks S3."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, web

from calls.errors import Invalid
from calls.settings import Settings
from calls.storage import Storage

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
    assert await folder.get_file(KEY, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"second"
    await folder.delete(KEY)
    await folder.delete(KEY)
    assert folder.file(KEY) is None


async def test_a_link_holds_for_its_key_and_time_and_nobody_else_can_make_one(folder, tmp_path):
    key, expires, signature = parts(await folder.signed_url(KEY, 60))
    assert folder.verify(key, expires, signature)
    assert not folder.verify("recordings/tenant/other.ogg", expires, signature)
    assert not folder.verify(key, str(int(expires) + 1), signature)
    assert not folder.verify(*parts(await folder.signed_url(KEY, -1)))
    assert not storage((tmp_path / "kept here").as_uri(), "another secret").verify(key, expires, signature)


@pytest.mark.parametrize("strange", ["", "-1", "1e9", "٣", "9" * 5000, "\ud800"])
async def test_a_strange_link_is_just_wrong(folder, strange):
    key, expires, signature = parts(await folder.signed_url(KEY, 60))
    assert not folder.verify(key, strange, signature)
    assert not folder.verify(key, expires, strange)
    assert not folder.verify(strange, expires, signature)


def test_an_address_of_another_kind_is_refused_by_name():
    with pytest.raises(Invalid, match="CALLROOM_STORAGE_URL"):
        storage("ftp://host/folder")


class Bucket:
    """A bucket of a server that speaks S3: whole objects, signed downloads, bulk deletion."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.signatures: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "POST" and "delete" in request.query:
            names = re.findall("<Key>(.*?)</Key>", await request.text())
            for name in names:
                self.kept.pop(f"{request.path}/{name}", None)
            deleted = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return web.Response(text=f"<DeleteResult>{deleted}</DeleteResult>", content_type="application/xml")
        if request.method == "PUT":
            self.kept[request.path] = await request.read()
            return web.Response(headers={"ETag": '"1"'})
        if request.path not in self.kept:
            return web.Response(status=404)
        if request.method == "GET" and "X-Amz-Signature" in request.query:
            self.signatures.append(request.query["X-Amz-Signature"])
        head = {"ETag": '"1"', "Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"}
        return web.Response(body=self.kept[request.path], headers=head)


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    served = Bucket()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{runner.addresses[0][1]}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    yield served
    await runner.cleanup()


async def test_a_file_is_kept_in_a_bucket_and_downloaded_by_a_signed_link(bucket, recording, tmp_path):
    fetched = tmp_path / "fetched"
    calls = storage("s3://calls/prefix")
    assert not await calls.exists(KEY)
    await calls.put_file(KEY, recording)
    assert await calls.exists(KEY)
    assert list(bucket.kept) == [f"/calls/prefix/{KEY}"]
    assert await calls.get_file(KEY, fetched)
    assert fetched.read_bytes() == recording.read_bytes()
    assert not await calls.get_file("another", fetched)
    async with ClientSession() as session, session.get(await calls.signed_url(KEY, 60)) as answer:
        assert await answer.read() == recording.read_bytes()
    assert len(bucket.signatures) == 1
    assert calls.file(KEY) is None
    await calls.delete(KEY)
    assert not await calls.exists(KEY)
