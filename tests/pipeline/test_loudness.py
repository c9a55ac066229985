"""When somebody fell silent and when the agent began, to the very moment, in sound that is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calls.latency import Turn
from pipeline.joining import Sound, join
from pipeline.loudness import measured, peaks
from tests.pipeline.sound import LOUDNESS, RATE, Pcm, write_ogg

TURN = Turn(decided_at_ms=2900, user_stopped_at_ms=2500, first_word_at_ms=3200, first_sound_at_ms=3600)
EXACT_MS = 20  # a step, and what Opus adds


def scene(*sounds: tuple[int, float, float, float], seconds: float = 8) -> Pcm:
    """Tones, each on a side, from one second to another, and so much of the full loudness."""
    pcm = np.zeros((int(seconds * RATE), 2))
    for side, begin, end, loudness in sounds:
        times = np.arange(int(begin * RATE), int(end * RATE))
        pcm[times, side] += np.sin(2 * np.pi * 440 * times / RATE) * LOUDNESS * loudness
    return pcm.astype(np.int16)


def noise(share: float, seconds: float = 8) -> Pcm:
    """On the people's side."""
    hiss = np.random.default_rng(7).normal(0, LOUDNESS * share, int(seconds * RATE))
    return np.stack([hiss, np.zeros_like(hiss)], axis=1).astype(np.int16)


@pytest.fixture(params=["wav", "ogg"])
def heard(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Pcm, Turn], tuple[int, int] | None]:
    """What is measured of a turn in this recording."""

    def measure(pcm: Pcm, turn: Turn) -> tuple[int, int] | None:
        piece, whole = tmp_path / "piece.ogg", tmp_path / "whole"
        write_ogg(piece, pcm)
        with piece.open("rb") as file, whole.open("wb") as target:
            join([Sound(0, file)], target, request.param)
        with whole.open("rb") as file:
            return measured(peaks(file, request.param, turn.first_sound_at_ms + 2000), turn)

    return measure


SPOKEN, ANSWERED = (0, 1.0, 2.7, 1.0), (1, 3.4, 6.0, 1.0)
STOP = (0, 1.0, 2.4, 1.0)


@pytest.mark.parametrize(
    ("pcm", "expected"),
    [
        pytest.param(scene(SPOKEN, ANSWERED), (2700, 3400), id="clear"),
        pytest.param(scene(SPOKEN, ANSWERED) + noise(0.02), (2700, 3400), id="on a noisy line"),
        pytest.param(scene(SPOKEN, (0, 2.8, 2.88, 0.04), ANSWERED), (2700, 3400), id="a breath after it"),
        pytest.param(scene(SPOKEN, (0, 2.8, 2.804, 1.0), ANSWERED), (2700, 3400), id="a click after it"),
        pytest.param(scene((0, 1.0, 1.5, 1.0), (0, 2.0, 2.7, 0.2), ANSWERED), (2700, 3400), id="a soft last word"),
        pytest.param(scene((1, 0.0, 2.6, 1.0), SPOKEN, ANSWERED), (2700, 3400), id="into what the agent was saying"),
        pytest.param(scene(SPOKEN, (0, 3.1, 7.0, 1.0), ANSWERED), (2700, 3400), id="the person goes on"),
        pytest.param(scene(STOP, (1, 2.8, 6.0, 1.0)), (2400, 2800), id="an answer a little before the decision"),
        pytest.param(scene(STOP, (1, 2.6, 2.7, 1.0), ANSWERED), None, id="what the agent was saying goes on"),
        pytest.param(scene(STOP, (1, 2.6, 2.7, 1.0)), None, id="it goes on, and no answer is heard"),
        pytest.param(scene(STOP, (1, 2.6, 6.0, 1.0)), None, id="it goes on into the answer"),
        pytest.param(scene(STOP, (1, 1.0, 2.95, 1.0), ANSWERED), None, id="what the agent was saying does not stop"),
        pytest.param(scene(STOP, (1, 3.0, 3.2, 1.0), ANSWERED), None, id="an answer before it that was broken off"),
        pytest.param(scene((0, 1.0, 7.0, 1.0), ANSWERED), None, id="no silence"),
        pytest.param(scene(SPOKEN), None, id="no answer"),
        pytest.param(scene(ANSWERED), None, id="no voice"),
        pytest.param(scene(SPOKEN, ANSWERED)[: 2 * RATE], None, id="no more of it"),
    ],
)
def test_silence_and_answer_are_found(heard, pcm, expected):
    found = heard(pcm[: len(pcm) // 960 * 960], TURN)
    assert found == (expected and pytest.approx(expected, abs=EXACT_MS))


def test_where_something_else_was_heard_before_the_answer_nothing_is_measured(heard):
    pcm = scene(SPOKEN, ANSWERED)
    turn = Turn(**{**vars(TURN), "phrase_at_ms": 3300})
    assert heard(pcm, turn) is None


def test_of_turns_that_begin_at_the_end_of_a_recording_or_behind_it_nothing_is_measured(heard):
    pcm = scene(SPOKEN, ANSWERED)
    for later_ms in (9400, 9440, 9500, 16_000):  # the first ones reach the last steps of it
        turn = Turn(
            decided_at_ms=TURN.decided_at_ms + later_ms,
            user_stopped_at_ms=TURN.user_stopped_at_ms + later_ms,
            first_word_at_ms=TURN.first_word_at_ms + later_ms,
            first_sound_at_ms=TURN.first_sound_at_ms + later_ms,
        )
        assert heard(pcm, turn) is None
