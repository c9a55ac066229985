"""What became of a call in which a provider failed, and whether it went as it should."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from calls.events import EventKind
from demo.client import Json
from drills import words
from drills.conversation import MISHEARD, faults_of_any
from drills.providers.talk import ANSWER, GREETING, Reply
from drills.providers.timeline import Stretch

SILENCE_S = 4.0  # nobody hears nothing for longer
FEW = 4
UNHEARD = 0.3  # of a sentence; a voice is understood better than people are
HUNG_UP = "completed, caller_hung_up"


@dataclass(frozen=True)
class Expected:
    """How it should go.

    reply       the last one
    ended       status and reason
    events      kinds of which each is there
    greeted     whether the greeting is heard
    loses       whether words of the caller may be missing: they were never recognised
    whole       whether each sentence of the caller is one segment
    repeats     whether the agent begins a sentence again, which is written once
    cut         whether the caller speaks into what the agent says: of half a word no recogniser makes much
    """

    reply: Reply = Reply.ANSWERED
    ended: str = HUNG_UP
    events: frozenset[EventKind] = frozenset()
    greeted: bool = True
    loses: bool = False
    whole: bool = False
    repeats: bool = False
    cut: bool = False


@dataclass(frozen=True)
class ProviderOutcome:
    """One row of the table.

    failed      what did, and how
    second      whether the agent had another provider of that kind
    silence_s   the longest silence while the caller waited
    said        what the agent said beside greeting and answers, by the transcript
    went_on     how the call did
    faults      what should not be
    """

    failed: str
    second: bool
    silence_s: float
    said: str
    went_on: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """What is left of a call that is over.

    replies     what came of each time of waiting, the first of which was for the greeting
    silence_s   the longest silence while something failed and the caller waited
    script      what the caller said
    heard       what a recogniser makes of the sound that the caller heard
    sounds      from which second of the call to which there was some
    detail      what the api says of it
    """

    replies: Sequence[Reply]
    silence_s: float
    script: Sequence[str]
    heard: str
    sounds: Sequence[Stretch]
    detail: Json


def outcome(failed: str, call: Call, expected: Expected, *, second: bool) -> ProviderOutcome:
    """How it went, and what should not have been."""
    segments = call.detail["transcript"]["segments"]
    kinds = {event["kind"] for event in call.detail["events"]}
    said = [one["text"] for one in segments if one["speaker"] == "agent"]
    understood = [one["text"] for one in segments if one["speaker"] == "user"]
    greeted, *_, last = call.replies
    faults = faults_of_any(call.detail) | {
        "the greeting is missing": expected.greeted and greeted is not Reply.ANSWERED,
        "it should go on otherwise": last is not expected.reply,
        "it ended otherwise": f"{call.detail['status']}, {call.detail['end_reason']}" != expected.ended,
        "it hung up without a word": last is Reply.HUNG_UP and "bye" not in " ".join(said[-1:]).lower(),
        "it was taken over": EventKind.AGENT_LOST in kinds,
        "words of the caller are missing": not expected.loses and _lacks(" ".join(understood), call.script),
        "a sentence of the caller is in pieces": expected.whole and len(understood) > len(call.script),
        "the caller did not say all that is written": _lacks(" ".join(call.script), _long(understood)),
        "the agent did not say all that is written": not expected.cut and _lacks(call.heard, said, UNHEARD),
        "the agent said more than is written": not expected.cut
        and _lacks(" ".join(said * 2 if expected.repeats else said), _long(re.findall(r"[^.!?]+", call.heard))),
        **{f"no event {kind}": kind not in kinds for kind in sorted(expected.events)},
    }
    return ProviderOutcome(
        failed=failed,
        second=second,
        silence_s=call.silence_s,
        said=_said_meanwhile(said, _wordless(call.sounds, segments)),
        went_on=_went_on(call.replies[1:], call.detail),
        faults=tuple(fault for fault, is_so in faults.items() if is_so),
    )


def misses(outcomes: Sequence[ProviderOutcome], *, judge_seconds: bool) -> Iterator[str]:
    """A line for each call that did not go as it should, or was silent for too long."""
    for one in outcomes:
        faults = [*one.faults, *([silence(one)] if judge_seconds and one.silence_s > SILENCE_S else [])]
        if faults:
            yield f"{one.failed}, {'with a second' if one.second else 'alone'}: {', '.join(faults)}"


def silence(one: ProviderOutcome) -> str:
    return f"{one.silence_s:.1f} s of silence"


def _lacks(whole: str, sentences: Sequence[str], part: float = MISHEARD) -> bool:
    return any(share > part for _, share in words.lost(sentences, whole))


def _long(sentences: Sequence[str]) -> list[str]:
    """Those of some words: of one or two a recogniser may well have misheard more than half."""
    return [one for one in sentences if len(one.split()) >= FEW]


def _said_meanwhile(said: Sequence[str], wordless: int) -> str:
    rest = " ".join(" ".join(said).replace(GREETING, "").replace(ANSWER, "").split())
    tones = "" if wordless == 0 else "a tone" if wordless == 1 else f"{wordless} tones"
    return ", ".join(part for part in (f"“{rest}”" if rest else "", tones) if part)


def _wordless(sounds: Sequence[Stretch], segments: Sequence[Json]) -> int:
    """How many of the sounds are no part of what the agent is written to have said."""
    spoken = [(one["started_at_ms"] / 1000, one["ended_at_ms"] / 1000) for one in segments if one["speaker"] == "agent"]
    return sum(not any(start < until and since < end for since, until in spoken) for start, end in sounds)


def _went_on(replies: Sequence[Reply], detail: Json) -> str:
    """What came of each question."""
    *before, last = replies
    switched = [event["data"]["name"] for event in detail["events"] if event["kind"] == EventKind.PROVIDER_SWITCHED]
    by = f" by {switched[-1]}" if switched and last is Reply.ANSWERED else ""
    tries = [(reply.value, len(list(same))) for reply, same in groupby(before)]
    told = ", ".join(f"{count} times {value}" if count > 1 else value for value, count in tries)
    end = f", {detail['end_reason']}" if last is Reply.HUNG_UP else ""
    return f"{told}{', then ' if told else ''}{last.value}{by}{end}"
