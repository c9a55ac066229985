"""What runs in the stack: each program's command, its ports, and the address that says when it is ready."""

import shutil
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stack.settings import ROOT, StackSettings

LIVEKIT_SERVER = ROOT / ".callroom" / "bin" / "livekit-server"


@dataclass(frozen=True)
class Port:
    """A port that a program listens on, and the setting that moves it."""

    setting: str
    number: int
    host: str = "127.0.0.1"
    udp: bool = False

    @property
    def is_free(self) -> bool:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM if self.udp else socket.SOCK_STREAM) as probe:
            if not self.udp:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one just left is free
            try:
                probe.bind((self.host, self.number))
            except OSError:
                return False
        return True


@dataclass(frozen=True)
class Program:
    """One program of the stack; ready when it answers at `ready_url`, of HTTP, Redis or SIP, with a 200.

    Told to stop, by the `stop_signal`, is all that it has started, at once, unless it `stops_its_own`.
    """

    name: str
    command: tuple[str, ...]
    ready_url: str
    ports: tuple[Port, ...] = ()
    stop_signal: str = "TERM"
    stops_its_own: bool = False


def missing_for_phones(settings: StackSettings) -> str | None:
    """What is not there that phones need; None when all of it is."""
    if settings.sip_bin == "":
        return "CALLROOM_SIP_BIN is empty"
    if settings.sip_program is None:
        return "no livekit-sip on the PATH, and CALLROOM_SIP_BIN names none"
    if shutil.which("redis-server") is None:
        return "no redis-server on the PATH"
    return None


def programs(settings: StackSettings, configs: Mapping[str, Path]) -> list[Program]:
    """The stack in the order of its start; local speech only where a service is missing.

    `configs` are the configuration files by program: with one for `sip` and one for `redis` there are phones.
    It is stopped the other way round: the worker first, so that its calls end while all that they need is there.
    """
    livekit = Program(
        "livekit",
        (str(LIVEKIT_SERVER), "--config", str(configs["livekit"])),
        f"http://127.0.0.1:{settings.livekit_port}/",
        (
            Port("CALLROOM_LIVEKIT_PORT", settings.livekit_port),
            Port("CALLROOM_LIVEKIT_TCP_PORT", settings.livekit_tcp_port),
            Port("CALLROOM_LIVEKIT_UDP_PORT", settings.livekit_udp_port, udp=True),
        ),
    )
    local = _python("local", "local", port=Port("CALLROOM_LOCAL_PORT", settings.local_port))
    worker = _python("worker", "worker", "start", port=Port("CALLROOM_WORKER_PORT", settings.worker_port))
    worker = replace(worker, stops_its_own=True)  # a call's process has things to write before it ends
    api = _python("api", "api", port=Port("CALLROOM_API_PORT", settings.api_port, settings.api_host))
    pipeline = _python("pipeline", "pipeline", port=Port("CALLROOM_PIPELINE_PORT", settings.pipeline_port))
    servers = [livekit]
    if "sip" in configs:
        servers = [_redis(settings, configs["redis"]), livekit, _sip(settings, configs["sip"])]
    return [*servers, *([local] if settings.local_services else []), api, pipeline, worker]


def _redis(settings: StackSettings, config: Path) -> Program:
    port = Port("CALLROOM_REDIS_PORT", settings.redis_port)
    return Program("redis", ("redis-server", str(config)), f"redis://{port.host}:{port.number}", (port,))


def _sip(settings: StackSettings, config: Path) -> Program:
    assert settings.sip_program is not None, "no phones without a bridge"
    port = Port("CALLROOM_SIP_PORT", settings.sip_port)
    return Program(
        "sip",
        (str(Path(settings.sip_program).absolute()), "--config", str(config)),
        f"sip://{port.host}:{port.number}",
        (port, replace(port, udp=True)),
        stop_signal="INT",  # hang up; after a TERM it would wait for its calls
    )


def _python(name: str, *module: str, port: Port) -> Program:
    host = "127.0.0.1" if port.host in {"0.0.0.0", "::", ""} else port.host  # noqa: S104 # compared, not bound
    return Program(name, (sys.executable, "-m", *module), f"http://{host}:{port.number}/readyz", (port,))


def ports_in_use(wanted: Iterable[Program]) -> list[str]:
    """A sentence for each port that somebody else has, and for each that two programs want."""
    problems = []
    seen: dict[tuple[int, bool], str] = {}
    for program in wanted:
        for port in program.ports:
            other = seen.setdefault((port.number, port.udp), port.setting)
            if other != port.setting:
                problems.append(f"Port {port.number} is wanted twice: {other} and {port.setting} must differ.")
            elif not port.is_free:
                kind = "UDP" if port.udp else "TCP"
                where = f"{kind} port {port.number} of {program.name}"
                problems.append(f"{where} is in use: free it, or set {port.setting} to another.")
    return problems
