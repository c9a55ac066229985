"""What the stack runs, and what it says before it runs anything."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stack.programs import Port, Program, missing_for_phones, ports_in_use, programs
from stack.settings import ROOT, StackSettings
from tests.servers import free_port

CONFIGS = {"livekit": ROOT / "livekit.yaml"}
WITH_PHONES = CONFIGS | {"redis": Path("redis.conf"), "sip": Path("livekit-sip.yaml")}


def settings(**values: Any) -> StackSettings:
    return StackSettings(_env_file=None, **values)


def names(of: StackSettings) -> list[str]:
    return [program.name for program in programs(of, CONFIGS)]


def listening_on(port: int, *, udp: bool = False) -> Program:
    return Program("api", ("true",), "", (Port("CALLROOM_API_PORT", port, udp=udp),))


def test_a_port_in_use_is_named_with_its_setting() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        (problem,) = ports_in_use([listening_on(port)])
    assert problem == f"TCP port {port} of api is in use: free it, or set CALLROOM_API_PORT to another."
    assert ports_in_use([listening_on(port)]) == []


def test_a_udp_port_in_use_is_named_too() -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        (problem,) = ports_in_use([listening_on(port, udp=True)])
    assert problem.startswith(f"UDP port {port} ")


def test_two_programs_may_not_want_one_port() -> None:
    wanted = programs(settings(api_port=8081), CONFIGS)
    assert any("CALLROOM_API_PORT and CALLROOM_WORKER_PORT must differ" in line for line in ports_in_use(wanted))


def test_local_speech_stands_in_for_each_service_that_nobody_configured() -> None:
    assert names(settings()) == ["livekit", "local", "api", "pipeline", "worker"]
    assert settings(llm_url="http://127.0.0.1:11434/v1", local_port=9000).local_services == {
        "CALLROOM_STT_URL": "http://127.0.0.1:9000/v1",
        "CALLROOM_TTS_URL": "http://127.0.0.1:9000/v1",
    }
    assert "local" not in names(settings(deepgram_api_key="x", openai_api_key="y"))


def test_a_hosted_model_and_local_speech_go_together_and_the_other_way_round() -> None:
    assert set(settings(openai_api_key="y", tts_provider="local").local_services) == {
        "CALLROOM_STT_URL",
        "CALLROOM_TTS_URL",
    }
    hosted_ears = settings(deepgram_api_key="x", tts_provider="deepgram")
    assert set(hosted_ears.local_services) == {"CALLROOM_LLM_URL"}


def test_with_phones_redis_comes_before_those_that_need_it() -> None:
    wanted = programs(settings(sip_bin=sys.executable, sip_port=9060, redis_port=9083), WITH_PHONES)
    assert [program.name for program in wanted] == ["redis", "livekit", "sip", "local", "api", "pipeline", "worker"]
    ports = {(port.setting, port.number, port.udp) for program in wanted[::2] for port in program.ports}
    assert {("CALLROOM_REDIS_PORT", 9083, False), ("CALLROOM_SIP_PORT", 9060, False)} <= ports
    assert ("CALLROOM_SIP_PORT", 9060, True) in ports


def test_what_phones_lack_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert missing_for_phones(settings(sip_bin=sys.executable)) is None
    assert missing_for_phones(settings(sip_bin="")) == "CALLROOM_SIP_BIN is empty"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_for_phones(settings()) == "no livekit-sip on the PATH, and CALLROOM_SIP_BIN names none"
    assert missing_for_phones(settings(sip_bin=sys.executable)) == "no redis-server on the PATH"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sip_bin", "/nowhere/livekit-sip", "the path of a livekit-sip, or nothing: no phones"),
        ("sip_rtp_ports", "10000", "the first and the last port, as in 10000-10999"),
        ("sip_rtp_ports", "20000-10000", "the first and the last port, as in 10000-10999"),
        ("sip_rtp_ports", "60000-66000", "the first and the last port, as in 10000-10999"),
    ],
)
def test_a_wrong_setting_of_phones_is_named(name: str, value: str, expected: str) -> None:
    with pytest.raises(ValidationError, match=f"{name}(.|\n)*expected {expected}"):
        settings(**{name: value})
