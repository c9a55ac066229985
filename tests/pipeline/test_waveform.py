"""What a recording looks like, by sound that is known."""

from pathlib import Path

import numpy as np
import pytest

from calls.analysis.post_call import RecordingFormat
from pipeline.joining import Damaged, Sound, join
from pipeline.waveform import MOST_POINTS, Waveform, waveform
from tests.pipeline.sound import LOUDNESS, RATE, Pcm, write_ogg

LOUD = LOUDNESS // 128


def looks(folder: Path, pcm: Pcm, file_format: RecordingFormat) -> Waveform:
    piece, whole = folder / "piece.ogg", folder / "whole"
    write_ogg(piece, pcm)
    with piece.open("rb") as file, whole.open("wb") as target:
        join([Sound(0, file)], target, file_format)
    with whole.open("rb") as file:
        return waveform(file, file_format)


def in_turns(seconds: int) -> Pcm:
    """A tone of the people in the first half, and one of the agent in the second."""
    half = seconds * RATE // 2
    tone = np.sin(2 * np.pi * 440 * np.arange(half) / RATE) * LOUDNESS
    nothing = np.zeros(half)
    return np.stack([np.concatenate([tone, nothing]), np.concatenate([nothing, tone])], axis=1).astype(np.int16)


@pytest.mark.parametrize("file_format", ["wav", "ogg"])
@pytest.mark.parametrize(("seconds", "step_ms"), [(4, 10), (64, 30)])
def test_both_sides_have_as_many_points_as_can_be_seen_at_their_time_and_loudness(
    tmp_path: Path, file_format: RecordingFormat, seconds: int, step_ms: int
):
    found = looks(tmp_path, in_turns(seconds), file_format)
    points = len(found.peaks) // 2
    assert found.step_ms == step_ms
    assert points == pytest.approx(seconds * 1000 / step_ms, abs=5)
    assert points <= MOST_POINTS
    people, agent = found.peaks[:points], found.peaks[points:]
    quarter = points // 4
    for side, sounds_in in ((people, quarter), (agent, 3 * quarter)):
        assert side[sounds_in] == pytest.approx(LOUD, abs=8)
        assert max(side[points - sounds_in - 10 : points - sounds_in + 10]) <= 2


def test_what_cannot_be_decoded_has_none(tmp_path: Path):
    (tmp_path / "noise").write_bytes(b"no sound at all" * 100)
    with (tmp_path / "noise").open("rb") as file, pytest.raises(Damaged):
        waveform(file, "ogg")
