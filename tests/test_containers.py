"""What `compose.yaml` and the `Dockerfile` say, held against the schema, the programs and the rest of the project.

Nothing here starts a container: the programs that they run are started as they are.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from calls.settings import Settings
from calls.version import VERSION
from tests.servers import ROOT, LiveKitServer, Redis, free_port
from tests.telephony.bridge import BINARY, SipBridge

TEXT = (ROOT / "compose.yaml").read_text()
REQUIRED = re.compile(r"\$\{(\w+):\?([^}]+)\}")
OPTIONAL = re.compile(r"\$\{(\w+):-([^}]+)\}")
OURS = {"api": "api_port", "pipeline": "pipeline_port", "worker": "worker_port"}
SECRET = "0123456789abcdef0123456789abcdef"


def composed(**variables: str) -> Any:
    """The file with its variables filled in: those not given with their defaults, or with `SECRET`."""
    text = OPTIONAL.sub(lambda found: variables.get(found[1], found[2]), TEXT)
    return yaml.safe_load(REQUIRED.sub(lambda found: variables.get(found[1], SECRET), text))


SERVICES: dict[str, Any] = composed()["services"]


def config(name: str, **variables: str) -> Any:
    return yaml.safe_load(composed(**variables)["configs"][name]["content"])


def health_check(name: str) -> list[str]:
    """The words that a container runs to see whether it works."""
    kind, *words = SERVICES[name]["healthcheck"]["test"]
    assert kind == "CMD"
    return [word.replace("$$", "$") for word in words]


def test_it_is_as_the_specification_of_compose_files_wants_it() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_image_is_pinned_and_livekit_is_the_one_that_is_tested() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    stages = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for image in [*images.values(), *stages]:
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-[\w.-]+)?$", image), image
    makefile = re.search(r"^LIVEKIT_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert makefile is not None
    assert images["livekit"] == f"livekit/livekit-server:v{makefile[1]}"
    assert {images[name] for name in OURS} == {f"callroom:{VERSION}"}
    assert len({stage for stage in stages if stage.startswith("python:")}) == 1


def test_what_it_sets_of_ours_are_settings() -> None:
    known = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        known.add(str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"CALLROOM_{name.upper()}")
    assert {name for service in OURS for name in SERVICES[service]["environment"]} <= known


def test_ports_and_addresses_agree() -> None:
    livekit, sip = config("livekit"), config("sip")
    checkout = yaml.safe_load((ROOT / "livekit.yaml").read_text())
    assert livekit["port"] == checkout["port"]
    assert {name: livekit["rtc"][name] for name in ("udp_port", "tcp_port")} == {
        name: checkout["rtc"][name] for name in ("udp_port", "tcp_port")
    }
    most = {"max_participants": Settings.model_fields["max_participants"].default}
    assert livekit["room"] == checkout["room"] | most | {"auto_create": True}
    defaults = {name: Settings.model_fields[name].default for name in OURS.values()}
    assert livekit["webhook"]["urls"] == [f"http://127.0.0.1:{defaults['api_port']}/livekit/webhook"]
    for name, setting in OURS.items():
        assert SERVICES[name]["environment"]["LIVEKIT_URL"] == sip["ws_url"] == f"ws://127.0.0.1:{livekit['port']}"
        assert f"http://127.0.0.1:{defaults[setting]}/healthz" in health_check(name)[-1]
    assert livekit["redis"] == sip["redis"] == {"address": "127.0.0.1:7883", "password": SECRET}
    assert SERVICES["redis"]["ports"] == ["127.0.0.1:7883:6379"]
    assert SERVICES["postgres"]["ports"] == ["127.0.0.1:5432:5432"]


def test_what_must_be_in_the_env_file_is_named_in_the_guide() -> None:
    guide = (ROOT / "docs" / "containers.md").read_text()
    for name, meaning in REQUIRED.findall(TEXT):
        assert f"{name}=" in guide, f"{name}: {meaning}"


def test_livekit_and_redis_take_their_configurations(tmp_path: Path) -> None:
    file = tmp_path / "redis.conf"
    text = composed()["configs"]["redis"]["content"].replace("/data", str(tmp_path))
    redis = Redis(tmp_path)
    file.write_text(f"{text}\nbind 127.0.0.1\nport {redis.port}\n")
    redis.command[redis.command.index("redis-server") :] = ["redis-server", str(file)]
    livekit = LiveKitServer(tmp_path)
    config_file = tmp_path / f"livekit-{livekit.port}.yaml"
    wanted = config("livekit", PUBLIC_IP="203.0.113.7")
    wanted |= {"port": livekit.port, "redis": wanted["redis"] | {"address": redis.address}}
    wanted["rtc"] |= {"udp_port": free_port(), "tcp_port": free_port()}
    config_file.write_text(yaml.safe_dump(wanted))
    with redis, livekit:
        assert "203.0.113.7" in livekit.output
        assert (tmp_path / "appendonlydir").exists()
        livekit.kill_group()  # told to stop in the moment of its start, it does not


@pytest.mark.skipif(BINARY is None, reason="no livekit-sip on the PATH, and CALLROOM_SIP_BIN names none")
def test_the_bridge_takes_its_configuration_and_its_health_check_sees_it(tmp_path: Path) -> None:
    with Redis(tmp_path) as redis, LiveKitServer(tmp_path, redis=redis) as livekit:
        bridge = SipBridge(tmp_path, livekit)
        config_file = tmp_path / f"livekit-sip-{bridge.address[1]}.yaml"
        ours = config("sip", PUBLIC_IP="127.0.0.1")
        given = yaml.safe_load(config_file.read_text())
        assert ours.keys() <= given.keys()
        config_file.write_text(yaml.safe_dump(ours | given))
        check = [
            word.replace("/5060", f"/{bridge.address[1]}").replace("-t 3", "-t 60") for word in health_check("sip")
        ]
        assert subprocess.run(check, capture_output=True, check=False).returncode != 0
        with bridge:
            assert subprocess.run(check, capture_output=True, check=False).returncode == 0
        assert subprocess.run(check, capture_output=True, check=False).returncode != 0


def test_the_image_holds_all_that_the_programs_are_made_of(tmp_path: Path) -> None:
    folders = re.findall(r"^COPY (\w+) \w+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored.count("*") == 1
    for folder in folders:
        assert f"!{folder}" in ignored
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    programs = "import api.cli, pipeline.handlers, worker.server"
    alone = {"PATH": os.environ["PATH"], "PYTHONSAFEPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", programs], cwd=tmp_path, env=alone, check=True)
