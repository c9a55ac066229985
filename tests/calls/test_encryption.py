"""Secrets at rest: which key reads what, how keys are changed, and what is said without the right one."""

import asyncio
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from calls.database.encryption import Keyring, count_unreadable, encrypt_again, tell_of_unreadable
from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import Invalid, SecretUnreadable
from calls.phones import trunk as telephony
from calls.tenants import webhooks
from calls.tenants.webhooks import WebhookEvent
from calls.tools.secrets import put_secret, read_secrets
from tests.conftest import PATIENCE_S
from tests.servers import ROOT

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
NO_FILE = Path("/nowhere")


def keys(*several: str) -> Keyring:
    return Keyring(",".join(several), NO_FILE)


async def store(database: Database, keyring: Keyring) -> str:
    """A trunk's password, an endpoint's two secrets and a tool's; the endpoint's id."""
    async with database.writing() as conn:
        trunk: dict[str, Any] = {"address": "sip.example.com", "transport": "udp", "username": "ada"}
        await telephony.put_trunk(conn, keyring, DEFAULT_TENANT, **trunk, password="in the clear")
        row = await webhooks.create_webhook(
            conn, keyring, DEFAULT_TENANT, url="https://example.com", events=[WebhookEvent.CALL_STARTED], secret="one"
        )
        await webhooks.update_webhook(conn, keyring, DEFAULT_TENANT, row.id, {"secret": "two"})
        await put_secret(conn, keyring, DEFAULT_TENANT, "SHOP", value="three", host="example.com")
    return str(row.id)


async def read(database: Database, keyring: Keyring, webhook_id: str) -> list[str]:
    async with database.reading() as conn:
        row = await webhooks.get_webhook(conn, DEFAULT_TENANT, webhook_id)
        trunk = await telephony.get_trunk(conn, DEFAULT_TENANT)
        tool = (await read_secrets(conn, DEFAULT_TENANT))["SHOP"]
    return [keyring.decrypt(stored) for stored in (trunk.password, row.secret, row.previous_secret, tool.value)]


def test_the_first_key_encrypts_and_all_decrypt():
    stored = keys(OLD).encrypt("a secret")
    assert "a secret" not in stored
    assert keys(NEW, OLD).decrypt(stored) == "a secret"
    assert keys(NEW).decrypt(keys(NEW, OLD).encrypt("another")) == "another"
    assert [keys(NEW, OLD).encrypted_with_first(one) for one in (stored, keys(NEW).encrypt(""))] == [False, True]


@pytest.mark.parametrize("keyring", [keys(NEW), Keyring("", NO_FILE / "encryption.key")])
def test_a_missing_key_is_named_by_its_setting(keyring):
    for stored in (keys(OLD).encrypt("a secret"), "no secret at all"):
        with pytest.raises(SecretUnreadable, match="CALLROOM_ENCRYPTION_KEYS"):
            keyring.decrypt(stored)


@pytest.mark.parametrize("wrong", ["no key", "{},", "{},short", "ä"])
def test_what_is_no_key_is_refused_by_its_setting(wrong):
    with pytest.raises(Invalid, match="CALLROOM_ENCRYPTION_KEYS: expected Fernet keys"):
        Keyring(wrong.format(NEW), NO_FILE)


def test_without_the_setting_a_key_is_made_for_its_owner_alone_when_it_is_first_needed(tmp_path):
    file = tmp_path / "state" / "encryption.key"
    first, second = Keyring("", file), Keyring("", file)
    assert not file.exists()
    stored = first.encrypt("a secret")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["encryption.key"]
    assert second.decrypt(stored) == "a secret"
    assert keys(file.read_text()).decrypt(second.encrypt("another")) == "another"


ENCRYPT = """
import os, sys
from pathlib import Path
from calls.database.encryption import Keyring

ready, say_ready = os.pipe()
go, keep_back = os.pipe()
for _ in range(4):
    if os.fork() == 0:
        os.close(keep_back)
        keyring = Keyring("", Path(sys.argv[1]))
        os.write(say_ready, b"1")
        os.read(go, 1)
        os.write(1, f"{keyring.encrypt('a secret')}\\n".encode())
        os._exit(0)
for _ in range(4):
    os.read(ready, 1)
os.close(keep_back)
for _ in range(4):
    os.wait()
"""


async def test_processes_that_make_the_key_at_the_same_moment_have_the_same(tmp_path):
    file, pipe = tmp_path / "encryption.key", asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", ENCRYPT, file, stdout=pipe, cwd=ROOT)
    answers, _ = await asyncio.wait_for(program.communicate(), PATIENCE_S)
    assert [Keyring("", file).decrypt(stored) for stored in answers.decode().split()] == ["a secret"] * 4


async def test_all_is_encrypted_again_with_the_first_key_and_then_the_old_one_can_go(database):
    webhook_id = await store(database, keys(OLD))
    async with database.writing() as conn:
        assert await encrypt_again(conn, keys(NEW, OLD)) == {"encrypted": 4, "unchanged": 0, "unreadable": 0}
        assert await encrypt_again(conn, keys(NEW, OLD)) == {"encrypted": 0, "unchanged": 4, "unreadable": 0}
    assert await read(database, keys(NEW), webhook_id) == ["in the clear", "two", "one", "three"]


async def test_what_no_key_reads_stays_as_it_is_and_is_counted(database):
    webhook_id = await store(database, keys(OLD))
    async with database.writing() as conn:
        assert await encrypt_again(conn, keys(NEW)) == {"encrypted": 0, "unchanged": 0, "unreadable": 4}
        assert await count_unreadable(conn, keys(NEW)) == 4
        assert await count_unreadable(conn, keys(NEW, OLD)) == 0
    assert await read(database, keys(OLD), webhook_id) == ["in the clear", "two", "one", "three"]


async def test_a_process_without_the_key_says_so_in_one_line_and_goes_on(database, caplog):
    await tell_of_unreadable(database, keys(NEW))
    assert caplog.messages == []
    await store(database, keys(OLD))
    await tell_of_unreadable(database, keys(OLD))
    assert caplog.messages == []
    await tell_of_unreadable(database, keys(NEW))
    assert caplog.messages == ["stored secrets cannot be read: CALLROOM_ENCRYPTION_KEYS lacks their key"]
