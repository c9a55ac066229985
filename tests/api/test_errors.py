"""Errors are JSON everywhere, and nothing that is sent makes a 500."""

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.app import ROUTES
from api.parsing import MAX_BODY
from calls import errors
from tests.api.conftest import Api, browser

JSON = {"Content-Type": "application/json"}


def sentences() -> Iterator[tuple[str, str]]:
    """Every error that is raised with a sentence, and the sentence as far as it is written out."""
    kinds = {kind.__name__ for kind in vars(errors).values() if isinstance(kind, type)}
    root = Path(__file__).parents[2]
    for file in (*(root / "api").rglob("*.py"), *(root / "calls").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                first = node.exc.args[0] if node.exc.args else None
                parts = first.values if isinstance(first, ast.JoinedStr) else [first]
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts if part)
                if node.exc.func.id in kinds and text.strip("…") and " " in text:
                    yield node.exc.func.id, text


def test_every_error_is_a_sentence_and_says_in_the_same_words_that_something_is_not_there():
    found = dict.fromkeys(sentences())
    assert ("NotFound", "Call not found.") in found
    unnamed = [text for _, text in found if not re.match(r"[\w…]+: ", text)]  # else a field's name comes first
    assert [text for text in unnamed if not text[0].isupper() or text[-1] not in ".…"] == []
    assert [text for _, text in found if "no such" in text.lower() and not text.startswith("The storage")] == []


async def test_an_unknown_path_is_a_404_in_json(api: Api):
    for path in ("/v1", "/v1/nothing", "/v2/calls", "/v1/calls/x/y/z", "/%00", "/v1/calls//end"):
        answer = await api.get(path, key=None)
        assert (answer.status, answer.body["code"]) == (404, "not_found"), path


async def test_a_wrong_method_is_a_405_that_names_the_right_ones_of_every_path(api: Api):
    paths: dict[str, set[str]] = {}
    for route in ROUTES:
        paths.setdefault(re.sub("{[^}]*}", str(UUID(int=1)), route.path), set()).update(route.methods)
    for path, allowed in paths.items():
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = await api.ask(method, path, key=None)
            assert (answer.status == 405) is (method not in allowed), (method, path)
            if answer.status == 405:
                assert set(answer.headers["Allow"].split(",")) == allowed, (method, path)
                assert method == "HEAD" or answer.body["code"] == "method_not_allowed"


async def test_a_body_that_is_no_json_object_is_a_400(api: Api):
    for raw in (b"{", b"", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"name": "\xff"}', b"{'name': 1}", b"NaN"):
        answer = await api.post("/v1/agents", raw=raw, headers=JSON)
        assert (answer.status, answer.body["code"]) == (400, "validation_error"), raw


async def test_a_body_of_another_type_is_a_415(api: Api):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await api.post("/v1/agents", raw=b"name=Aria", headers={"Content-Type": kind})
        assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type")
    charset = {"Content-Type": "application/json; charset=utf-8"}
    assert (await api.post("/v1/agents", raw=b'{"name": "Aria"}', headers=charset)).status == 201


async def test_a_body_over_a_megabyte_is_a_413(api: Api):
    for size, status in ((MAX_BODY + 1, 413), (MAX_BODY - 1000, 400)):
        raw = b'{"name": "' + b"x" * size + b'"}'
        answer = await api.post("/v1/agents", raw=raw, headers=JSON)
        assert (answer.status, "error" in answer.body) == (status, True)


async def test_an_id_that_is_no_id_is_a_404(api: Api):
    for call_id in ("call_abc123", "1", "%00", "%ED%A0%80", "x" * 3000, str(uuid4()) + "0", "{" + str(uuid4()) + "}"):
        for part in ("", "/summary", "/events"):
            answer = await api.get(f"/v1/calls/{call_id}{part}")
            assert (answer.status, answer.body["code"]) == (404, "not_found"), call_id


async def test_an_id_is_known_in_capital_letters_too(api: Api, agent: str):
    assert (await api.get(f"/v1/agents/{agent.upper()}")).body["id"] == agent


async def test_a_bad_value_in_the_query_is_a_400_that_names_it(api: Api):
    bad = {
        "/v1/calls": ["limit=0", "limit=201", "limit=x", "limit=", "offset=-1", "offset=9999999999999999999999"],
        "/v1/calls?": ["status=done", "status=", "cursor=abc", f"cursor={uuid4()}", "stats=completed", "limit=1.5"],
        "/v1/agents": ["limit=%00", "offset=%ED%A0%80", "cursor=x"],
    }
    for path, queries in bad.items():
        for query in queries:
            answer = await api.get(f"{path.rstrip('?')}?{query}")
            assert answer.status == 400, (path, query)
            [detail] = answer.body["details"]
            assert detail["path"] == query.partition("=")[0]
            assert detail["message"].split()[0] in {"expected", "unknown"}


async def test_each_wrong_field_is_named_with_what_was_expected(api: Api):
    body = {
        "name": "",
        "system_prompt": 5,
        "max_duration_s": 1.5,
        "silence_timeout_s": "30",
        "eager": 2,
        "machine_detection": "guess",
        "features": {"transcription_enabled": "yes", "redact": ["nothing"]},
        "retention_days": [],
        "post_call": {"recording": {"format": "mp3"}},
        "llm_model": "x" * 201,
        "stt": [{}] * 6,
        "tools": {},
        "colour": "blue",
    }
    details = (await api.post("/v1/agents", body)).body["details"]
    assert {detail["path"]: detail["message"] for detail in details} == {
        "name": "expected 1 or more characters",
        "system_prompt": "expected text",
        "max_duration_s": "expected an integer",
        "silence_timeout_s": "expected an integer",
        "eager": "expected at most 1.0",
        "machine_detection": "expected 'hang_up' or 'continue'",
        "features.transcription_enabled": "expected true or false",
        "features.redact[0]": "expected 'card', 'email' or 'phone'",
        "retention_days": "expected an object",
        "post_call.recording.format": "expected 'wav' or 'ogg'",
        "llm_model": "expected at most 200 characters",
        "stt": "expected at most 5 items",
        "tools": "expected a list",
        "colour": "unknown field",
    }


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (rb'"\u0000"', "metadata.a"),
        (rb'{"b\u0000": 1}', "metadata.a"),
        (rb'[1, "x\u0000y"]', "metadata.a[1]"),
        (rb'"\ud800"', None),
        (rb'"\udc00\ud800"', None),
        (b"9" * 40, "metadata.a"),
        (b"-" + b"9" * 19, "metadata.a"),
        (b"9" * 5000, None),
        (b"1e999", "metadata.a"),
        (b"Infinity", None),
        (nested(100), "metadata.a"),
        (nested(5000), None),
        (b"[" * 100_000, None),
    ],
)
async def test_strange_values_are_a_400(api: Api, agent: str, value: bytes, path: str | None):
    raw = b'{"agent_id": "%s", "participants": [{"transport": "webrtc", "identity": "x"}], "metadata": {"a": %s}}'
    answer = await api.post("/v1/calls", raw=raw % (agent.encode(), value), headers=JSON)
    assert answer.status == 400
    if path is not None:
        assert answer.body["details"][0]["path"].startswith(path)


async def test_unusual_values_come_back_as_they_were_sent(database_url: str, api: Api, agent: str):
    metadata: dict[str, Any] = {"": "", "ключ": "значение 🎉", "n": [2**63 - 1, -(2**63), 1.5e300, -0.5, None, True]}
    people = [browser("ünïcode 🎉 \u202e\x01")]
    call = await api.post("/v1/calls", {"agent_id": agent, "participants": people, "metadata": metadata})
    detail = (await api.get(f"/v1/calls/{call.body['id']}")).body
    assert detail["metadata"] == metadata
    assert detail["primary_participant"]["identity"] == people[0]["identity"]


async def test_every_answer_has_a_request_id_of_its_own(api: Api):
    answers = [await api.get("/v1/agents"), await api.get("/v1/agents", key=None), await api.get("/nothing")]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 3


async def test_the_log_holds_neither_keys_nor_phone_numbers(api: Api, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        await api.delete("/v1/dnc/+15551234567")
        await api.get("/v1/dnc/+15551234567")
    said = "\n".join(
        f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name.startswith("api")
    )
    assert "/v1/dnc/{phone}" in said
    assert "5551234567" not in said
    assert api.key not in said


async def test_health_says_what_is_wrong(api: Api):
    assert (await api.get("/healthz", key=None)).body == {"status": "ok"}
    assert (await api.get("/readyz", key=None)).body["status"] == "ok"
