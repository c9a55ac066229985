"""Where recordings are kept: a folder, or a bucket of anything that speaks S3."""

import asyncio
import hashlib
import hmac
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import url2pathname

import obstore
from obstore.store import LocalStore, ObjectStore, S3Store

from calls.errors import Invalid
from calls.settings import Settings

LINKS = "/v1/recordings"


class Storage:
    """Files by key, as `settings.storage` says: `file:///folder` or `s3://bucket/prefix`.

    Credentials, region and endpoint of S3 come from the usual `AWS_…` variables.
    """

    def __init__(self, settings: Settings) -> None:
        url = urlsplit(settings.storage)
        self._folder: Path | None = None
        self._store: ObjectStore
        if url.scheme == "file":
            self._folder = Path(url2pathname(url.path))
            self._store = LocalStore(self._folder, automatic_cleanup=True, mkdir=True)
        elif url.scheme == "s3":
            self._store = S3Store.from_url(settings.storage)
        else:
            raise Invalid("CALLROOM_STORAGE_URL: expected file:///folder or s3://bucket/prefix")
        # Links are signed with a key of their own, so that one is no use for anything else that the secret opens.
        secret = settings.livekit_api_secret.get_secret_value().encode()
        self._link_key = hmac.digest(secret, b"callroom recording links", hashlib.sha256)

    async def put_file(self, key: str, path: Path) -> None:
        """Keep the file's content under `key`: whole or not at all, in place of what was there."""
        await obstore.put_async(self._store, key, path)

    async def get_file(self, key: str, path: Path) -> bool:
        """Copy what is under `key` to `path`, never more than a part of it in memory; False if nothing is there."""
        try:
            found = await obstore.get_async(self._store, key)
        except FileNotFoundError:
            return False
        with await asyncio.to_thread(path.open, "wb") as file:
            async for part in found:
                await asyncio.to_thread(file.write, part)
        return True

    async def exists(self, key: str) -> bool:
        """Whether there is something under `key`."""
        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Remove what is under `key`; nothing there is fine."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return

    async def signed_url(self, key: str, expires_s: int) -> str:
        """A link that anybody may download with for `expires_s` seconds.

        For S3 an address of the bucket; for a folder a path of our own API, to be put after the API's address.
        """
        if self._folder is None:
            return await obstore.sign_async(cast("S3Store", self._store), "GET", key, timedelta(seconds=expires_s))
        expires = int(time.time()) + expires_s
        query = urlencode({"expires": expires, "signature": self._signature(key, expires)})
        return f"{LINKS}/{quote(key)}?{query}"

    def verify(self, key: str, expires: str, signature: str) -> bool:
        """Whether `signed_url` made this link and it still holds."""
        if not re.fullmatch(r"[0-9]{1,12}", expires) or not signature.isascii():
            return False
        genuine = hmac.compare_digest(signature, self._signature(key, int(expires)))
        return genuine and int(expires) >= time.time()

    def file(self, key: str) -> Path | None:
        """The file under `key`, or None if it is not there or kept in a bucket; only for keys of links that hold."""
        path = None if self._folder is None else self._folder / key
        return path if path is not None and path.is_file() else None

    def _signature(self, key: str, expires: int) -> str:
        return hmac.new(self._link_key, f"{expires}\n{key}".encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
