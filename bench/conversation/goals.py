"""What is to be reached: a line for each goal whose figure a run has."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.conversation.systems import CALLROOM
from bench.table import Line

Figures = dict[str, Any]

PLAIN = "plain-vad"  # what shares are of
FEW_CALLS = 2  # at once, of which times are judged by themselves
COMPLETE = 1.3  # p95 of the responses to complete sentences, by their p50
FIRST_SOUND_S = 0.6
SILENT_S = 0.35
RESPONSE_S = 0.9  # with the profile `usual`
REQUESTS = 1.6
OVERHEAD, RESPONSE, CORES, MEMORY = 0.6, 0.75, 0.8, 1.0  # of the plain script's


def goals(systems: Mapping[str, Figures], profile: str, calls: int, *, whole: bool) -> list[Line]:
    """The goals of our agents as they are by themselves; none where they all have values of `eager` given to them.

    Args:
        systems: the figures of each, by its name.
        profile: of latencies.PROFILES.
        calls: at once.
        whole: whether sentences of all kinds were said.
    """
    ours, plain = systems.get(CALLROOM), systems.get(PLAIN)
    if ours is None:
        return []
    lines = [*_of_turns(ours)]
    if calls <= FEW_CALLS:
        lines += _of_moments(ours)
    if whole:
        lines += _of_material(ours, times=calls <= FEW_CALLS and profile == "usual")
    if whole and plain is not None:
        lines += _beside(ours, plain, profile)
    return lines


def _of_turns(ours: Figures) -> Iterator[Line]:
    turns = ours["all"]
    count, complete = turns["turns"], turns["response_to_complete_s"]
    cut_ins = f"{turns['cut_ins']} of {count}, {turns['with_pause']} with a pause"
    yield Line("turns cut into", cut_ins, "none", turns["cut_ins"] == 0)
    yield Line("turns answered", f"{turns['answered']} of {count}", "all", turns["answered"] == count)
    flawed = turns["flawed_replies"]
    yield Line("replies broken off or with holes", f"{flawed} of {count}", "none", flawed == 0)
    if complete is not None:
        share = complete["p95"] / complete["p50"]
        measured = f"{share:.3f} ({_ms(complete['p95'])} of {complete['count']})"
        yield Line("response to complete sentences, p95", measured, f"<= {COMPLETE} times its p50", share <= COMPLETE)


def _of_moments(ours: Figures) -> Iterator[Line]:
    joined, silent = ours["first_sound_s"], ours["silent_after_interruption_s"]
    yield from _soon("join → first sound, p95", joined, ours["unanswered_joins"], FIRST_SOUND_S)
    yield from _soon("interrupted → silent, p95", silent, ours["not_interrupted"], SILENT_S)


def _soon(what: str, spread: Mapping[str, float] | None, never: int, most_s: float) -> Iterator[Line]:
    """What did not come at all has missed the goal too."""
    if spread is None and not never:
        return
    came = "-" if spread is None else f"{_ms(spread['p95'])} of {spread['count']}"
    measured = f"{came}, never {never} times" if never else came
    reached = spread is not None and not never and spread["p95"] <= most_s
    yield Line(what, measured, f"<= {_ms(most_s)}", reached)


def _of_material(ours: Figures, *, times: bool) -> Iterator[Line]:
    response, requests = ours["all"]["response_s"], ours["all"]["requests_per_turn"]
    if times and response is not None:
        yield Line("response, p50", _ms(response["p50"]), f"<= {_ms(RESPONSE_S)}", response["p50"] <= RESPONSE_S)
    yield Line("model requests per turn", f"{requests:.3f}", f"<= {REQUESTS}", requests <= REQUESTS)


def _beside(ours: Figures, plain: Figures, profile: str) -> Iterator[Line]:
    turns, its = ours["all"], plain["all"]
    if turns["response_s"] is not None and its["response_s"] is not None:
        yield _share("overhead over the providers, p50", turns["overhead_s"], its["overhead_s"], OVERHEAD)
        if profile == "fast":
            yield _share("response, p50", turns["response_s"]["p50"], its["response_s"]["p50"], RESPONSE)
    yield _share("cores per call", ours["cores_per_call"], plain["cores_per_call"], CORES)
    yield _share("memory per call", ours["memory_mb_per_call"], plain["memory_mb_per_call"], MEMORY)


def _share(what: str, measured: float, its: float, most: float) -> Line:
    return Line(what, f"{measured / its:.3f}", f"<= {most:g} of {PLAIN}'s", measured <= most * its)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
