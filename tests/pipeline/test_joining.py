"""One recording out of several files, by what is heard in it."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from pipeline.joining import Sound, join
from tests.pipeline.sound import BLOCK, CALM, RATE, Pcm, cut_off, heard, read_sound, silence, tone, write_ogg

LOW, HIGH = 400, 1100


@pytest.fixture
def piece(tmp_path: Path) -> Iterator[Callable[[int, Pcm], Sound]]:
    """`piece(500, pcm)`: a file that begins at so many milliseconds of the call."""
    numbers = iter(range(99))

    def write(starts_at_ms: int, pcm: Pcm) -> Sound:
        path = tmp_path / f"{next(numbers)}.ogg"
        write_ogg(path, pcm)
        return Sound(starts_at_ms, files.enter_context(path.open("rb")))

    with ExitStack() as files:
        yield write


@pytest.fixture(params=["wav", "ogg"])
def joined(tmp_path: Path, request: pytest.FixtureRequest):
    """`joined(piece, …)`: what the file made of them plays."""

    def decode(*pieces: Sound) -> Pcm:
        with (tmp_path / "joined").open("wb") as target:
            join(pieces, target, request.param)
        return read_sound(tmp_path / "joined")

    return decode


def seconds(pcm: Pcm) -> float:
    return len(pcm) / RATE


def sounding(pcm: Pcm) -> list[tuple[float, float]]:
    """From which second to which there is sound."""
    loud = np.flatnonzero(np.abs(pcm[:, 0].astype(int)) > CALM)
    starts = np.flatnonzero(np.diff(loud, prepend=-RATE) > RATE // 20)
    ends = [*(starts[1:] - 1), len(loud) - 1]
    return [(float(loud[start]) / RATE, float(loud[end]) / RATE) for start, end in zip(starts, ends, strict=True)]


def test_pieces_are_heard_at_their_seconds_of_the_call_with_silence_between(piece, joined):
    pcm = joined(piece(3000, tone(HIGH, 1.5)), piece(700, tone(LOW, 1)))
    assert seconds(pcm) == pytest.approx(4.5, abs=0.02)
    assert [heard(pcm, *stretch) for stretch in [(0.1, 0.6), (0.8, 1.6), (1.8, 2.9), (3.1, 4.4)]] == [
        None,
        LOW,
        None,
        HIGH,
    ]
    first, second = sounding(pcm)
    assert first == pytest.approx((0.7, 1.7), abs=0.01)
    assert second == pytest.approx((3.0, 4.5), abs=0.02)


def test_what_is_from_before_the_call_is_left_out_and_an_agent_on_the_left_is_heard_on_the_right(piece, joined):
    swapped = np.ascontiguousarray(np.concatenate([tone(LOW, 1.5), tone(HIGH, 1)])[:, ::-1])
    pcm = joined(dataclasses.replace(piece(-1500, swapped), agent_left=True), piece(2000, tone(LOW, 1)))
    assert [heard(pcm, *stretch) for stretch in [(0.05, 0.95), (1.1, 1.9), (2.1, 2.9)]] == [HIGH, None, LOW]


def test_silence_within_a_piece_stays_as_long_as_it_was(piece, joined):
    pcm = joined(piece(1000, np.concatenate([tone(LOW, 0.5), silence(0.5), tone(HIGH, 0.5)])))
    assert sounding(pcm) == [pytest.approx((1, 1.5), abs=0.02), pytest.approx((2, 2.5), abs=0.02)]


def test_where_two_overlap_the_later_one_is_heard_and_time_stays_true(piece, joined):
    pcm = joined(piece(0, tone(LOW, 2)), piece(1200, tone(HIGH, 1.6)))
    assert seconds(pcm) == pytest.approx(2.8, abs=0.02)
    assert [heard(pcm, 0.1, 1.1), heard(pcm, 1.3, 2.7)] == [LOW, HIGH]


def test_a_piece_is_not_heard_any_more_once_another_has_begun(piece, joined):
    pcm = joined(piece(0, tone(LOW, 2)), piece(500, tone(HIGH, 0.5)), piece(2000, tone(HIGH, 0.5)))
    assert seconds(pcm) == pytest.approx(2.5, abs=0.02)
    assert [heard(pcm, *stretch) for stretch in [(0.1, 0.4), (0.6, 0.9), (1.1, 1.9), (2.1, 2.4)]] == [
        LOW,
        HIGH,
        None,
        HIGH,
    ]


@pytest.mark.parametrize("missing", [1, 60, 1500, 3000])
def test_a_piece_cut_off_in_mid_page_is_heard_as_far_as_it_goes(piece, joined, missing):
    first = piece(0, tone(LOW, 1.5))
    cut_off(Path(first.file.name), missing)
    pcm = joined(first, piece(2000, tone(HIGH, 0.5)))
    assert seconds(pcm) == pytest.approx(2.5, abs=0.02)
    (start, end), second = sounding(pcm)
    assert start == pytest.approx(0, abs=0.01)
    assert 1 < end < 1.5
    assert second == pytest.approx((2, 2.5), abs=0.02)


def test_a_long_silence_between_two_agents_is_as_long_as_it_was(piece, joined):
    pcm = joined(piece(0, tone(LOW, 0.5)), piece(60_123, tone(HIGH, 0.5)))
    assert sounding(pcm)[-1] == pytest.approx((60.123, 60.62), abs=0.02)


def test_a_piece_of_less_than_a_frame_more_loses_no_more_than_that(piece, joined):
    pcm = joined(piece(1003, tone(LOW, 1)))
    assert 0 <= 2.003 - seconds(pcm) <= BLOCK / RATE
