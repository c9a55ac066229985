"""Where recordings are kept: a folder, or a bucket of anything that speaks S3."""

import asyncio
import hashlib
import hmac
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from glob import escape
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, cast
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, ObjectStore, S3Store

from calls.errors import Invalid, StorageAway
from calls.settings import Settings

LINKS = "/v1/recordings"
TYPES = {".ogg": "audio/ogg", ".wav": "audio/wav"}  # of files by how their keys end
PART_BYTES = 5 * 2**20  # a larger file goes to a bucket in parts, of which so many are in memory
PARTS_AT_ONCE = 4
CHUNK_BYTES = 2**20


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
            # Whoever is refused, or finds nobody, comes again later: the retries of the library only hide why.
            timeout = timedelta(seconds=10)
            self._store = S3Store.from_url(settings.storage, retry_config={"max_retries": 2, "retry_timeout": timeout})
        else:
            raise Invalid("CALLROOM_STORAGE_URL: expected file:///folder or s3://bucket/prefix")
        # Links are signed with a key of their own, so that one is no use for anything else that the secret opens.
        secret = settings.livekit_api_secret.get_secret_value().encode()
        self._link_key = hmac.digest(secret, b"callroom recording links", hashlib.sha256)

    async def put_file(self, key: str, file: Path | BinaryIO) -> None:
        """Keep the file's content under `key`: whole or not at all, in place of what was there.

        However large it is, some 20 MB of it are in memory.

        Raises:
            StorageAway: it was not taken.
        """
        kind = TYPES.get(PurePosixPath(key).suffix)
        # Whoever follows a link into a bucket is told by the bucket what that is. A folder takes no such word.
        attributes = {"Content-Type": kind} if kind is not None and self._folder is None else None
        with _understood():
            try:
                await obstore.put_async(
                    self._store,
                    key,
                    file,
                    attributes=attributes,
                    chunk_size=PART_BYTES,
                    max_concurrency=PARTS_AT_ONCE,
                )
            except FileNotFoundError as error:
                raise StorageAway("The storage has no such bucket.") from error

    async def fetch(self, key: str, file: BinaryIO) -> None:
        """Append what is under `key` to an open file.

        Raises:
            FileNotFoundError: there is nothing.
            StorageAway: it was not given.
            OSError: the file did not take it.
        """
        with _understood():
            found = await obstore.get_async(self._store, key)
            chunks = aiter(found.stream(min_chunk_size=CHUNK_BYTES))
        while True:
            with _understood():
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            await asyncio.to_thread(file.write, chunk)

    async def exists(self, key: str) -> bool:
        """Whether there is something under `key`; StorageAway if that is not known."""
        with _understood():
            try:
                await obstore.head_async(self._store, key)
            except FileNotFoundError:
                return False
            return True

    async def delete(self, key: str) -> None:
        """Remove what is under `key`, and what whoever was killed had written of it; nothing there is fine.

        A bucket keeps the parts of an upload that was broken off, which nobody sees: it is to remove them by itself.

        Raises:
            StorageAway: it may still be there.
        """
        with _understood():
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, key)
            if self._folder is not None:
                await asyncio.to_thread(_remove_unfinished, self._folder / key)

    def signed_url(self, key: str, expires_s: int) -> str:
        """A link that anybody may download with for `expires_s` seconds: a path of our own API."""
        expires = int(time.time()) + expires_s
        query = urlencode({"expires": expires, "signature": self._signature(key, expires)})
        return f"{LINKS}/{quote(key)}?{query}"

    async def bucket_url(self, method: Literal["GET", "HEAD"], key: str, expires_s: int) -> str | None:
        """Where a bucket itself answers that method for `expires_s` seconds; None for a folder.

        Only for keys of links that hold. S3 signs the method too, so that one address is not enough for a link.

        Raises:
            StorageAway: there are no credentials to sign with just now.
        """
        if self._folder is not None:
            return None
        with _understood():
            return await obstore.sign_async(cast("S3Store", self._store), method, key, timedelta(seconds=expires_s))

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


def _remove_unfinished(path: Path) -> None:
    """Remove files like `call.ogg#1`: a folder's are written so until they are whole."""
    for unfinished in path.parent.glob(f"{escape(path.name)}#*"):
        unfinished.unlink(missing_ok=True)


@contextmanager
def _understood() -> Iterator[None]:
    """A failure of the storage in words of our own: those of a bucket may hold keys and signatures."""
    try:
        yield
    except (FileNotFoundError, StorageAway):
        raise
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StorageAway("The storage refuses the credentials that it is given.") from error
    except (BaseError, OSError) as error:
        raise StorageAway("The storage does not answer.") from error
