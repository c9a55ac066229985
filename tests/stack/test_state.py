"""What the stack keeps in its folder."""

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from calls.settings import Settings
from stack.settings import StackSettings
from stack.state import (
    LiveKitKeys,
    development_key,
    livekit_keys,
    process_environment,
    read_env,
    write_configs,
    write_env,
)
from tests.conftest import MakeSettings, Start


def stack_settings(**values: Any) -> StackSettings:
    return StackSettings(_env_file=None, **values)


def test_livekit_keys_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    keys = livekit_keys(tmp_path)
    assert livekit_keys(tmp_path) == keys
    assert len(keys.secret) >= 32
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_livekit_gets_the_ports_and_keys_of_its_stack(tmp_path: Path) -> None:
    ports = {"api_port": 9000, "livekit_port": 9001, "livekit_udp_port": 9002}
    settings = stack_settings(state_dir=tmp_path, max_participants=7, **ports)
    configs = write_configs(settings, LiveKitKeys("key", "secret"), phones=False)
    config = yaml.safe_load(configs.pop("livekit").read_text())
    assert not configs
    assert (config["port"], config["rtc"]["udp_port"], config["keys"]) == (9001, 9002, {"key": "secret"})
    assert config["webhook"] == {"api_key": "key", "urls": ["http://127.0.0.1:9000/livekit/webhook"]}
    assert "redis" not in config
    assert (config["room"]["auto_create"], config["room"]["max_participants"]) == (False, 7)


def test_with_phones_livekit_and_the_bridge_meet_in_a_redis_of_their_own(tmp_path: Path) -> None:
    settings = stack_settings(state_dir=tmp_path, livekit_port=9001, redis_port=9003, sip_port=9004)
    kept = tmp_path / "redis" / "kept"
    kept.parent.mkdir()
    kept.touch()
    configs = write_configs(settings, LiveKitKeys("key", "secret"), phones=True)
    livekit, sip = (yaml.safe_load(configs[name].read_text()) for name in ("livekit", "sip"))
    assert livekit["redis"] == sip["redis"] == {"address": "127.0.0.1:9003", "password": "secret"}
    assert {"port 9003", "requirepass secret", "bind 127.0.0.1"} <= set(configs["redis"].read_text().splitlines())
    assert livekit["room"]["auto_create"] is True
    assert (sip["ws_url"], sip["sip_port"], sip["listen_ip"]) == ("ws://127.0.0.1:9001", 9004, "127.0.0.1")
    assert {stat.S_IMODE(file.stat().st_mode) for file in configs.values()} == {0o600}
    assert not kept.exists()


def test_the_env_file_says_all_that_a_script_needs_and_is_private(tmp_path: Path) -> None:
    settings = stack_settings(state_dir=tmp_path, api_port=9000, livekit_port=9001)
    environment = process_environment(settings, LiveKitKeys("key", "a secret with 'quotes'"))
    write_env(settings, environment, "sb_secret_1")
    file = tmp_path / "env"
    assert read_env(file) == {
        "CALLROOM_URL": "http://127.0.0.1:9000",
        "CALLROOM_API_KEY": "sb_secret_1",
        "LIVEKIT_URL": "ws://127.0.0.1:9001",
        "LIVEKIT_API_KEY": "key",
        "LIVEKIT_API_SECRET": "a secret with 'quotes'",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.fixture
async def serving(settings: MakeSettings, start: Start) -> Settings:
    made = settings()
    await start("api", made)
    return made


async def test_the_development_key_is_kept_as_long_as_the_api_takes_it(serving: Settings) -> None:
    settings = stack_settings(**serving.model_dump())
    environment = process_environment(settings, LiveKitKeys("key", "secret"))
    environment["CALLROOM_DATABASE_URL"] = serving.database
    key = development_key(settings, environment)
    write_env(settings, environment, key)
    assert development_key(settings, environment) == key
    write_env(settings, environment, "sb_secret_of_a_database_that_is_gone")
    assert development_key(settings, environment) != key
