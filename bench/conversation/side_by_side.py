"""Callroom and plain scripts side by side: the same callers say the same to each, in alternation, call by call."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from bench import table
from bench.conversation import material, report
from bench.conversation.call import Announce, Call, Closing
from bench.conversation.caller import Caller
from bench.conversation.figures import Cost, figures
from bench.conversation.goals import goals
from bench.conversation.latencies import PROFILES
from bench.conversation.load import Usage, memory_mb
from bench.conversation.material import Sentence
from bench.conversation.systems import CALLROOM, FOLDER, System, Systems, running
from bench.machine import machine

TURNS_A_CALL = 8
SETTLED_AFTER_S = 5  # a call that has ended is still being tidied up, and a process for the next one is started
SEED = 12  # the same order in every run


@dataclass(frozen=True)
class Plan:
    """What is measured.

    calls    at once
    turns    of each caller with each system
    profile  of PROFILES
    against  what we are compared with, of DETECTIONS
    only     the kinds of sentences that are said, in all voices; all kinds if none is named
    eager    values with each of which our agents are a system of their own; none: they are as they are by themselves
    """

    calls: int
    turns: int
    profile: str
    against: Sequence[str]
    only: Sequence[str]
    eager: Sequence[float]


async def run(plan: Plan, json_folder: Path | None) -> bool:
    """Print the table and the goals; whether every goal was reached."""
    calls, turns, profile = plan.calls, plan.turns, plan.profile
    cache = FOLDER / "material"
    deck = await asyncio.to_thread(material.sentences, cache, plan.only)
    closing = await asyncio.to_thread(_closing, cache)
    random.Random(SEED).shuffle(deck)
    conducted: dict[str, list[Call]] = defaultdict(list)
    costs: dict[str, Cost] = defaultdict(Cost)
    async with (
        running(plan.against, profile, calls, plan.eager) as systems,
        aiohttp.ClientSession(systems.providers_url) as http,
    ):

        async def announce(model: str, sentence: Sentence) -> None:
            told = {"call": model, "pieces": [asdict(piece) for piece in sentence.pieces]}
            async with http.post("/say", json=told) as answer:
                answer.raise_for_status()

        await asyncio.sleep(SETTLED_AFTER_S)
        idle_mb = {one.name: await asyncio.to_thread(memory_mb, one.workers) for one in systems.all}
        for first in range(0, turns, TURNS_A_CALL):
            numbers = range(first, min(first + TURNS_A_CALL, turns))
            said = [[deck[(number * calls + caller) % len(deck)] for number in numbers] for caller in range(calls)]
            for system in systems.all:
                print(f"  turns {numbers[0] + 1} to {numbers[-1] + 1} with {system.name}", flush=True)
                conducted[system.name] += await _conduct(
                    system, systems, idle_mb[system.name], said, closing, announce, costs[system.name]
                )
        async with http.get("/log") as answer:
            log = await answer.json()
    latencies = PROFILES[profile]
    made = {name: figures(of, costs[name], log, latencies) for name, of in conducted.items()}
    title = (
        f"Conversation, {calls} calls at once, {turns} turns each; providers need {latencies.sum_s:.2f} s ({profile})"
    )
    report.show(title, made)
    lines = goals(made, profile, calls, whole=not plan.only)
    if lines:
        table.show(f"Goals of {CALLROOM}, over all of its turns", lines)
    if json_folder is not None:
        described = {"at": datetime.now(UTC).isoformat(), "machine": machine(), **asdict(plan)}
        text = json.dumps({**described, "systems": made}, indent=1) + "\n"
        await asyncio.to_thread((json_folder / "conversation.json").write_text, text)
    return all(line.reached is not False for line in lines)


async def _conduct(
    system: System,
    systems: Systems,
    idle_mb: float,
    said: list[list[Sentence]],
    closing: Closing,
    announce: Announce,
    cost: Cost,
) -> list[Call]:
    """One call of each caller with a system, all at once; its cost is that of the time in which all of them talk."""
    await asyncio.sleep(SETTLED_AFTER_S)
    calls = [Call(system.name, f"{system.name}-{number}", Caller()) for number in range(len(said))]
    try:
        await asyncio.gather(*(call.begin(system) for call in calls))
        before = _usages(system, systems)
        talks = zip(calls, said, strict=True)
        await asyncio.gather(*(call.talk(sentences, closing, announce) for call, sentences in talks))
        for name, usage in _usages(system, systems).items():
            cores = usage.cores(before[name]) / len(calls)
            (cost.cores_per_call if name == "" else cost.shared_cores_per_call.setdefault(name, [])).append(cores)
        busy_mb = await asyncio.to_thread(memory_mb, system.workers)
        cost.memory_mb_per_call.append((busy_mb - idle_mb) / len(calls))
    finally:
        await asyncio.gather(*(call.caller.leave() for call in calls))
    return calls


def _usages(system: System, systems: Systems) -> dict[str, Usage]:
    """Of the system's own processes, by an empty name, and of those that all share."""
    return {"": Usage.of(system.workers), **{name: Usage.of([one]) for name, one in systems.shared.items()}}


def _closing(cache: Path) -> Closing:
    said = ("Please tell me everything about your tables.", "Mm-hmm.", "Stop, please, that is enough for me.")
    return Closing(*(material.one(text, material.VOICES[0], cache) for text in said))
