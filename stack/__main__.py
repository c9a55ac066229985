"""Run the whole stack in the foreground: `python -m stack`."""

import fcntl
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TextIO

from pydantic import ValidationError

from stack import state
from stack.foreground import StackFailed, run
from stack.programs import missing_for_phones, ports_in_use, programs
from stack.providers import failing_providers
from stack.running_model import running_model, which_speaks
from stack.settings import ROOT, StackSettings


def main() -> str | None:
    """The reason why the stack could not run, None when it was asked to stop."""
    os.umask(0o077)  # what is said in calls is for nobody else on this machine
    try:
        settings = StackSettings()
    except ValidationError as error:
        return f"A setting is wrong: {error}"
    lock = _lock(settings)
    if lock is None:
        return f"A stack of {settings.folder} is running already; CALLROOM_STATE_DIR gives another one its own folder."
    with lock:
        return _run(settings)


def _run(settings: StackSettings) -> str | None:
    found = running_model(settings)
    print(which_speaks(settings, found), flush=True)
    if found is not None:
        settings = settings.model_copy(update={"llm_url": found.url, "llm_model": found.name})
    keys = state.livekit_keys(settings.folder)
    missing = missing_for_phones(settings)
    wanted = programs(settings, state.write_configs(settings, keys, phones=missing is None))
    if problems := ports_in_use(wanted):
        return "\n".join(problems)
    environment = state.process_environment(settings, keys)
    if found is not None:
        found.load()
    print(f"Starting {', '.join(program.name for program in wanted)}", flush=True)

    def when_ready() -> None:
        with ThreadPoolExecutor(1) as beside:  # one that hangs takes its time to be known
            failing = beside.submit(failing_providers, settings)
            key = state.development_key(settings, environment)
        state.write_env(settings, environment, key)
        print(_phones(settings, missing))
        for sentence in failing.result():
            print(sentence)
        print(f"Logs are in {_shown(settings, 'logs')}, keys for scripts in {_shown(settings, 'env')}.")
        if not settings.encryption_keys.get_secret_value():
            key_file = _shown(settings, settings.encryption_key_file.name)
            print(
                f"Back up the database, the recordings and {key_file}: without it the secrets in the database are lost."
            )
        print(f"Callroom is up, Ctrl-C stops it: {settings.api_url}/#key={key}", flush=True)

    try:
        run(
            wanted,
            settings.folder / "logs",
            environment,
            when_ready,
            when_stopping=lambda: state.end_last_calls(environment),
        )
    except StackFailed as error:
        return str(error)
    print("Stopped.")
    return None


def _phones(settings: StackSettings, missing: str | None) -> str:
    if missing is not None:
        return f"Phones are off: {missing}. docs/phones.md says how to get them."
    return f"Phones are on: SIP at 127.0.0.1:{settings.sip_port} over UDP and TCP, see docs/phones.md."


def _lock(settings: StackSettings) -> TextIO | None:
    """Held while this process lives; None when another one holds it."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    file = (settings.folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _shown(settings: StackSettings, name: str) -> str:
    path = settings.folder / name
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    sys.exit(main())
