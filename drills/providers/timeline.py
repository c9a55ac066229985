"""What happened in a call, and what was heard of it, in one order: for whoever wants to look."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from demo.client import Json

PAUSE_S = 0.3  # between sounds that are two


Stretch = tuple[float, float]  # from a second of the call to another


def timeline(detail: Json, sounds: Sequence[Stretch]) -> list[str]:
    """A line for each segment, event and sound of the agent, with its second in the call."""
    zero = _zero(detail)
    entries = [
        *(
            (one["started_at_ms"] / 1000, f"{one['speaker']}: {one['text']}")
            for one in detail["transcript"]["segments"]
        ),
        *((_seconds(one["created_at"]) - zero, f"{one['kind']} {one['data']}") for one in detail["events"]),
        *((start, f"sound until {end:.1f}") for start, end in sounds),
    ]
    return [f"{second:7.1f}  {text}" for second, text in sorted(entries)]


def sounds(detail: Json, heard: Sequence[float]) -> list[Stretch]:
    """What was heard of the agent, by the seconds since the epoch at which pieces of it were."""
    zero = _zero(detail)
    starts = [later for earlier, later in pairwise([-math.inf, *heard]) if later - earlier > PAUSE_S]
    ends = [earlier for earlier, later in pairwise([*heard, math.inf]) if later - earlier > PAUSE_S]
    return [(start - zero, end - zero) for start, end in zip(starts, ends, strict=True)]


def _zero(detail: Json) -> float:
    return _seconds(detail["started_at"] or detail["created_at"])


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
