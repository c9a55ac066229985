"""What callers say."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.conversation import material


def test_a_third_of_every_kind_is_kept_apart() -> None:
    said = Counter((kind, apart) for kind, _, apart in material.script())
    kinds = {kind for kind, _ in said}
    assert {"complete", "pause 600", "pause 1000", "number", "um", "sentences", "one word"} == kinds
    assert all(said[kind, False] == 2 * said[kind, True] for kind in kinds)


def test_speech_begins_and_ends_with_a_loud_block() -> None:
    speech = np.concatenate([np.zeros(5000), 3000 * np.sin(np.arange(20 * material.BLOCK) / 10), np.zeros(7000)])
    trimmed = material.trimmed(speech)
    assert len(trimmed) // material.BLOCK in {20, 21}
    assert np.abs(trimmed).max() == pytest.approx(material.PEAK * 32767, abs=2)
    assert np.abs(trimmed[: material.BLOCK]).max() > 0
    assert np.abs(trimmed[-material.BLOCK :]).max() > 0


def test_a_pause_is_exactly_as_long_as_it_says(tmp_path: Path) -> None:
    sentence = material.one("A table for |600| four people.", "slt", tmp_path)
    first, second = sentence.pieces
    assert (first.text, second.text) == ("A table for", "four people.")
    assert second.begin_s - first.end_s == pytest.approx(0.6)
    pause = sentence.samples[round(first.end_s * material.RATE) : round(second.begin_s * material.RATE)]
    assert not pause.any()
    assert second.end_s == pytest.approx(len(sentence.samples) / material.RATE)
