"""The document and the page that renders it, as they are served: to everybody, offline, and with no key in them."""

import re

import pytest

from api.page import WEB
from tests.api.conftest import Api


async def fetch(api: Api, path: str) -> tuple[int, str, str]:
    async with api.session.get(api.url + path) as answer:
        return answer.status, answer.content_type, await answer.text()


async def test_the_document_is_there_for_everybody(api: Api):
    status, content_type, text = await fetch(api, "/openapi.json")
    assert (status, content_type) == (200, "application/json")
    assert api.key not in text


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_page_and_all_that_it_loads_come_from_this_server(api: Api, path: str):
    status, content_type, text = await fetch(api, path)
    assert (status, content_type) == (200, "text/html")
    assert re.search("sb_(secret|publishable)_[A-Za-z0-9]", text) is None
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert loaded
    assert [link for link in loaded if not link.startswith("/")] == []
    for link in loaded:
        assert (await fetch(api, link))[0] == 200, link


async def test_what_lies_beside_the_pages_is_not_served(api: Api):
    beside = ("/web/", "/web/../pyproject.toml", "/web/%2e%2e/pyproject.toml", "/web/nothing.js", "/pyproject.toml")
    without_policy = ("/web/index.html", "/web/share/index.html", "/web/.npmrc", "/web/node_modules/.package-lock.json")
    for path in beside + without_policy:
        async with api.session.get(api.url + path) as answer:
            assert answer.status == 404
            assert answer.content_type == "application/json"


async def test_at_a_mistyped_address_a_browser_has_the_console(api: Api):
    opened = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path, kind in [("/calls/", "text/html"), ("/nothing", "text/html"), ("/v1/nothing", "application/json")]:
        async with api.session.get(api.url + path, headers=opened) as answer:
            assert (answer.status, answer.content_type) == (404, kind)
            assert ("Content-Security-Policy" in answer.headers) == (kind == "text/html")


async def test_what_is_large_comes_compressed_to_whoever_takes_that(api: Api):
    large = (
        "livekit-client/dist/livekit-client.esm.mjs",
        "swagger-ui-dist/swagger-ui-bundle.js",
        "swagger-ui-dist/swagger-ui.css",
    )
    for file in large:
        url, whole = f"{api.url}/web/node_modules/{file}", (WEB / "node_modules" / file).read_bytes()
        tags = {}
        for encoding in ("gzip", "identity"):
            async with api.session.get(url, headers={"Accept-Encoding": encoding}) as answer:
                assert answer.headers.get("Content-Encoding", "identity") == encoding
                assert await answer.read() == whole
                assert (int(answer.headers["Content-Length"]) < len(whole) / 3) == (encoding == "gzip")
                tags[encoding] = answer.headers["ETag"]
        for encoding, tag in tags.items():
            known = {"Accept-Encoding": "gzip", "If-None-Match": tag}
            async with api.session.get(url, headers=known) as answer:
                assert answer.status == (304 if encoding == "gzip" else 200)


@pytest.mark.parametrize("path", ["/", "/calls", "/docs", "/join/code", "/talk/code", "/join/code/", "/talk/code/"])
async def test_no_page_lets_another_one_frame_it_and_a_slash_behind_it_does_no_harm(api: Api, path: str):
    async with api.session.get(api.url + path) as answer:
        assert (answer.status, answer.content_type, answer.url.path) == (200, "text/html", path.rstrip("/") or "/")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_browser_looks_again_whether_a_file_changed(api: Api):
    async with api.session.get(f"{api.url}/web/console.js") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        known = {"If-None-Match": answer.headers["ETag"]}
    async with api.session.get(f"{api.url}/web/console.js", headers=known) as answer:
        assert answer.status == 304
