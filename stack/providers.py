"""Whether the installation's providers work, and what to do about one that does not: for who starts the stack."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from typing_extensions import override

from calls.providers.choice import KINDS, Kind
from calls.providers.endpoints import endpoints, own_provider
from calls.providers.health import Health, described, health_of, new_session
from calls.settings import Settings
from stack.settings import StackSettings

P = ParamSpec("P")
T = TypeVar("T")


def failing_providers(settings: StackSettings) -> list[str]:
    """A sentence for each that does not work; known within three seconds of running, and mostly at once."""
    local = {name.removeprefix("CALLROOM_").lower(): url for name, url in settings.local_services.items()}
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Unawaited())
        return runner.run(_failing(settings.model_copy(update=local)))


class _Unawaited(ThreadPoolExecutor):
    """Its work keeps neither the loop nor Python from ending: DNS that hangs takes longer than anybody waits."""

    @override
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        made = Future[T]()
        made.set_running_or_notify_cancel()

        def work() -> None:
            try:
                made.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 # whoever waits for it gets it
                made.set_exception(error)

        Thread(target=work, daemon=True).start()
        return made


async def _failing(settings: Settings) -> list[str]:
    async with new_session() as http:
        healths = await asyncio.gather(
            *(health_of(http, endpoints(settings, kind), own_provider(settings, kind)) for kind in KINDS)
        )
    return [_sentence(settings, kind, health) for kind, health in zip(KINDS, healths, strict=True) if not health.works]


def _sentence(settings: Settings, kind: Kind, health: Health) -> str:
    name = own_provider(settings, kind)
    begin, setting = described(kind, name, health), f"CALLROOM_{kind.upper()}_PROVIDER"
    place = endpoints(settings, kind).get(name)
    if place is None:
        return f"{begin}: calls will fail until it is, or {setting} names another. docs/providers.md says how."
    if place.lacks:
        return f"{begin}: calls will fail until {place.lacks} is set, or {setting} names another."
    parts = urlsplit(place.url)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return f"{begin} at {where}: calls will fail until it does."
