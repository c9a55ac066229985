"""What the stack runs, and what it says before it runs anything."""

import socket

from stack.programs import Port, Program, ports_in_use, programs
from stack.settings import ROOT, StackSettings
from tests.servers import free_port


def settings(**values: object) -> StackSettings:
    return StackSettings(_env_file=None, **values)  # type: ignore[arg-type] # mypy sees one type for all


def names(of: StackSettings) -> list[str]:
    return [program.name for program in programs(of, ROOT / "livekit.yaml")]


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
    wanted = programs(settings(api_port=8081), ROOT / "livekit.yaml")
    assert any("CALLROOM_API_PORT and CALLROOM_WORKER_PORT must differ" in line for line in ports_in_use(wanted))


def test_local_speech_stands_in_for_each_service_that_nobody_configured() -> None:
    assert names(settings()) == ["livekit", "local", "api", "pipeline", "worker"]
    assert settings(llm_url="http://127.0.0.1:11434/v1", local_port=9000).local_services == {
        "CALLROOM_STT_URL": "http://127.0.0.1:9000/v1",
        "CALLROOM_TTS_URL": "http://127.0.0.1:9000/v1",
    }
    assert "local" not in names(settings(deepgram_api_key="x", openai_api_key="y"))
