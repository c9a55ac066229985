"""What the stack keeps in its folder: the keys that it made once, configurations, and `env` for scripts."""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stack.settings import ROOT, StackSettings

LAST_CALLS_S = 5.0  # a database or a LiveKit that does not answer keeps nobody who stops the stack


@dataclass(frozen=True)
class LiveKitKeys:
    """The key and secret with which this stack's processes speak to its LiveKit server."""

    key: str
    secret: str


def livekit_keys(folder: Path) -> LiveKitKeys:
    """Those made when the stack first started here."""
    file = folder / "livekit-keys.json"
    if not file.exists():
        write_private(file, json.dumps({"key": f"API{secrets.token_hex(6)}", "secret": secrets.token_urlsafe(36)}))
    return LiveKitKeys(**json.loads(file.read_text()))


def write_configs(settings: StackSettings, keys: LiveKitKeys, *, phones: bool) -> dict[str, Path]:
    """Write the configuration files of this start; the path of each by its program's name.

    Redis, which only phones need, begins empty: what it knew of an earlier start is nowhere any more.
    """
    written = {"livekit": _written(settings, "livekit.yaml", _yaml(_livekit(settings, keys, phones=phones)))}
    if phones:
        folder = settings.folder / "redis"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        written["redis"] = _written(settings, "redis.conf", _redis(settings, keys, folder))
        written["sip"] = _written(settings, "livekit-sip.yaml", _yaml(_sip(settings, keys)))
    return written


def _livekit(settings: StackSettings, keys: LiveKitKeys, *, phones: bool) -> dict[str, Any]:
    """`livekit.yaml` with this stack's ports, keys and receiver of webhooks."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "livekit.yaml").read_text())
    config |= {"port": settings.livekit_port, "keys": {keys.key: keys.secret}}
    config["rtc"] |= {"tcp_port": settings.livekit_tcp_port, "udp_port": settings.livekit_udp_port}
    config["webhook"] = {"api_key": keys.key, "urls": [f"{settings.api_url}/livekit/webhook"]}
    # For rooms that LiveKit makes by itself; the api asks for the same.
    config["room"]["max_participants"] = settings.max_participants
    if phones:
        config["redis"] = _redis_access(settings, keys)
        config["room"]["auto_create"] = True
    return config


def _sip(settings: StackSettings, keys: LiveKitKeys) -> dict[str, Any]:
    """The bridge's: signalling on this machine alone, which is what it tells phones too."""
    return {
        "ws_url": f"ws://127.0.0.1:{settings.livekit_port}",
        "api_key": keys.key,
        "api_secret": keys.secret,
        "redis": _redis_access(settings, keys),
        "sip_port": settings.sip_port,
        "rtp_port": settings.sip_rtp_ports,
        "listen_ip": "127.0.0.1",
        "local_net": "127.0.0.0/8",
        "nat_1_to_1_ip": "127.0.0.1",
        "media_nat_1_to_1_ip": "127.0.0.1",
        "max_cpu_utilization": 1,  # it counts the whole machine, on which language models run too
        "logging": {"level": "warn", "json": False},  # below that it tells of every call, by its numbers
    }


def _redis(settings: StackSettings, keys: LiveKitKeys, folder: Path) -> str:
    """Redis's: it writes down what it knows, so that it can be killed without a call or a trunk being lost."""
    lines = {
        "bind": "127.0.0.1",
        "port": str(settings.redis_port),
        "requirepass": keys.secret,  # trunks' passwords are in it
        "dir": json.dumps(str(folder), ensure_ascii=False),
        "save": '""',
        "appendonly": "yes",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _redis_access(settings: StackSettings, keys: LiveKitKeys) -> dict[str, str]:
    return {"address": f"127.0.0.1:{settings.redis_port}", "password": keys.secret}


def _yaml(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(config), sort_keys=False)


def _written(settings: StackSettings, name: str, text: str) -> Path:
    file = settings.folder / name
    write_private(file, text)
    return file


def process_environment(settings: StackSettings, keys: LiveKitKeys) -> dict[str, str]:
    """The environment of every program: ours, and over it what the stack alone knows."""
    return {
        **os.environ,
        **settings.local_services,
        **({"CALLROOM_LLM_URL": settings.llm_url} if settings.llm_url else {}),
        **({"CALLROOM_LLM_MODEL": settings.llm_model} if settings.llm_model else {}),
        "CALLROOM_STATE_DIR": str(settings.folder),
        "CALLROOM_LOCAL_PORT": str(settings.local_port),
        # Whoever stops the whole stack does not want to wait for its calls.
        "CALLROOM_WORKER_DRAIN_S": str(settings.worker_drain_s if "worker_drain_s" in settings.model_fields_set else 0),
        "LIVEKIT_URL": f"ws://127.0.0.1:{settings.livekit_port}",
        "LIVEKIT_API_KEY": keys.key,
        "LIVEKIT_API_SECRET": keys.secret,
        "PYTHONUNBUFFERED": "1",
    }


def end_last_calls(environment: Mapping[str, str]) -> None:
    """End the calls that have no agent. If that cannot be, they end with the next start."""
    command = [sys.executable, "-m", "stack.last_calls"]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 # our own
            command,
            env=environment,
            cwd=ROOT,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LAST_CALLS_S,
        )


def development_key(settings: StackSettings, environment: Mapping[str, str]) -> str:
    """A secret key of the tenant `default`: the one in `env` as long as the api takes it, else a new one."""
    file = settings.folder / "env"
    known = read_env(file).get("CALLROOM_API_KEY") if file.exists() else None
    if known and _is_accepted(settings.api_url, known):
        return known
    command = [sys.executable, "-m", "api", "keys", "create", "--tenant", "default"]
    made = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 # our own
    return str(json.loads(made.stdout)["key"])


def _is_accepted(api_url: str, key: str) -> bool:
    request = urllib.request.Request(f"{api_url}/v1/auth/me", headers={"Authorization": f"Bearer {key}"})  # noqa: S310 # our own api
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 # our own api
            return True
    except urllib.error.HTTPError:
        return False


def write_env(settings: StackSettings, environment: Mapping[str, str], key: str) -> None:
    """Write `env`: all that a script needs after `set -a; . .callroom/env`."""
    values = {"CALLROOM_URL": settings.api_url, "CALLROOM_API_KEY": key}
    values |= {name: environment[name] for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")}
    write_private(settings.folder / "env", "".join(f"{name}={shlex.quote(v)}\n" for name, v in values.items()))


def read_env(file: Path) -> dict[str, str]:
    """The variables of an `env` file."""
    pairs = (word.partition("=") for word in shlex.split(file.read_text()))
    return {name: value for name, _, value in pairs}


def write_private(file: Path, text: str) -> None:
    """Replace a file at once, readable by its owner alone from the first moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:  # noqa: PTH123 # a mode from the start
        output.write(text)
    new.replace(file)
