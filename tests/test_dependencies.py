"""What is imported is declared: a package that only another one brings goes when that one no longer wants it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.servers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = {*PROJECT["tool"]["importlinter"]["root_packages"], "tests"}
EXTRAS = {"local": ("local",), "bench": ("local", "dev"), "drills": ("local", "dev"), "tests": ("local", "dev")}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(folder: str) -> set[str]:
    project = PROJECT["project"]
    wanted = project["dependencies"] + [
        one for extra in EXTRAS.get(folder, ()) for one in project["optional-dependencies"][extra]
    ]
    return {canonical(re.split(r"[^\w.-]", one)[0]) for one in wanted}


@pytest.fixture(scope="module")
def origin() -> dict[str, str]:
    """The distribution of each installed module. Several share the package `livekit`."""
    found = {}
    for one in distributions():
        name = canonical(one.name)
        for line in (one.read_text("RECORD") or "").splitlines():
            file = line.partition(",")[0]
            if file.endswith((".py", ".so")):
                found[re.sub(r"(/__init__)?(\.[\w-]+)*$", "", file).replace("/", ".")] = name
    return found


def imported(folder: Path) -> Iterator[str]:
    """The dotted names of all that is imported there; of `from a import b` both `a.b`, which may be a module."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            match node:
                case ast.Import(names=names):
                    yield from (name.name for name in names)
                case ast.ImportFrom(module=str(module), names=names, level=0):
                    yield from (f"{module}.{name.name}" for name in names)
                case _:
                    pass


def distribution(name: str, origin: dict[str, str]) -> str:
    """Where a name comes from: the longest part of it that is a module."""
    parts = name.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((origin[prefix] for prefix in prefixes if prefix in origin), f"nobody, for {name}")


@pytest.mark.parametrize("folder", sorted(OURS))
def test_what_a_folder_imports_is_declared_for_it(folder: str, origin: dict[str, str]) -> None:
    theirs = {name for name in imported(ROOT / folder) if name.split(".")[0] not in OURS | sys.stdlib_module_names}
    assert {distribution(name, origin) for name in theirs} <= declared(folder)
