"""What the stack keeps in its folder: the keys that it made once, LiveKit's configuration, and `env` for scripts."""

import json
import os
import secrets
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from stack.settings import ROOT, StackSettings


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


def write_livekit_config(settings: StackSettings, keys: LiveKitKeys) -> Path:
    """The path of a copy of `livekit.yaml` with this stack's ports, keys and receiver of webhooks."""
    config = yaml.safe_load((ROOT / "livekit.yaml").read_text())
    config |= {"port": settings.livekit_port, "keys": {keys.key: keys.secret}}
    config["rtc"] |= {"tcp_port": settings.livekit_tcp_port, "udp_port": settings.livekit_udp_port}
    config["webhook"] = {"api_key": keys.key, "urls": [f"{settings.api_url}/livekit/webhook"]}
    file = settings.folder / "livekit.yaml"
    write_private(file, yaml.safe_dump(config, sort_keys=False))
    return file


def process_environment(settings: StackSettings, keys: LiveKitKeys) -> dict[str, str]:
    """The environment of every program: ours, and over it what the stack alone knows."""
    return {
        **os.environ,
        **settings.local_services,
        "CALLROOM_STATE_DIR": str(settings.folder),
        "CALLROOM_LOCAL_PORT": str(settings.local_port),
        # Whoever stops the whole stack does not want to wait for its calls.
        "CALLROOM_WORKER_DRAIN_S": str(settings.worker_drain_s if "worker_drain_s" in settings.model_fields_set else 0),
        "LIVEKIT_URL": f"ws://127.0.0.1:{settings.livekit_port}",
        "LIVEKIT_API_KEY": keys.key,
        "LIVEKIT_API_SECRET": keys.secret,
        "PYTHONUNBUFFERED": "1",
    }


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
