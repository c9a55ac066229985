"""Providers of their own for calls that are made at the same time: what is scripted for one of them meets no other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calls.settings import NamedProvider
from tests.conftest import Until
from tests.providers import Providers, in_thread

if TYPE_CHECKING:
    from tests.worker.conftest import Stage

AT_ONCE = 2  # a small machine has to keep up with as many calls, in each process of the tests

Way = Callable[["Stage", Providers, Until], Awaitable[None]]


@dataclass(frozen=True)
class Booth:
    """Where one call at a time finds all that it listens, thinks and speaks with, by names that agents may give."""

    name: str
    providers: Providers

    @property
    def words(self) -> str:
        """What takes and gives words as they come."""
        return f"{self.name}-words"

    def named(self) -> dict[str, NamedProvider]:
        """For the settings of a worker."""
        url = self.providers.url
        return {self.name: NamedProvider(url=url), self.words: NamedProvider(url=url, protocol="deepgram")}

    def choices(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What an agent with this configuration is to use: ours, wherever it names nobody."""
        ours = {"stt": self.words, "llm": self.name, "tts": self.name}
        return {kind: [{"provider": name, **one} for one in config.get(kind, [{}])] for kind, name in ours.items()}


@contextmanager
def open_booths() -> Iterator[list[Booth]]:
    """As many as there may be calls at once."""
    with ExitStack() as opened:
        yield [Booth(f"booth-{number}", opened.enter_context(in_thread())) for number in range(AT_ONCE)]


async def at_once(stage: "Stage", booths: Sequence[Booth], until: Until, ways: Sequence[Way]) -> None:
    """Go all of these ways, each in a booth in which nothing is scripted yet; those first that take long."""
    free: asyncio.Queue[Booth] = asyncio.Queue()
    for booth in booths:
        free.put_nowait(booth)

    async def go(way: Way) -> None:
        booth = await free.get()
        booth.providers.reset()
        await way(stage.within(booth), booth.providers, until)
        free.put_nowait(booth)

    async with asyncio.TaskGroup() as tasks:
        for way in ways:
            tasks.create_task(go(way))
