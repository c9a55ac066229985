"""Whisper, made quick enough for a conversation on two cores."""

import re
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from local.hearing.audio import RATE, Samples

# Whisper pads everything to 30 s, which costs a second of two cores per utterance. It also hears well with a few
# seconds of silence after the speech, for a fifth of the time. With less, the decoder starts to repeat itself.
_SILENCE_AFTER_S = 4.0
_SHORTEST_CONTEXT_S = 7.5
_LONGEST_CONTEXT_S = 30.0
LONGEST_UTTERANCE_S = _LONGEST_CONTEXT_S - _SILENCE_AFTER_S

# A second core hardly makes a model as small as this one any quicker; it is better spent on another utterance.
AT_ONCE = 2

_SHORTEST_SPEECH_S = 0.15
_FRAME_S = 0.02  # of the encoder's output, and of the decoder's time tokens
_NOISE = 0.7  # "no speech" probability: coughs and knocks are above 0.8, the shortest words below 0.5
_SHORTEST_ECHO = 6  # letters: people repeat "the" and "no", decoders repeat phrases
_HUM = re.compile(r"(?=.*m)[mhnr]+")  # "mm-hm", "hmm", "mhm": a sound, spelled differently every time


@dataclass(frozen=True, slots=True)
class Word:
    """One word with punctuation; times in seconds from the start of the audio."""

    text: str
    start: float
    end: float
    confidence: float

    @property
    def bare(self) -> str:
        return self.text.lower().strip('.,?!;:"-…') or self.text


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in one stretch of audio; no words if nobody spoke words."""

    words: tuple[Word, ...]
    confidence: float

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


NOTHING = Heard((), 0.0)


@dataclass(frozen=True, slots=True)
class _Encoded:
    features: ctranslate2.StorageView
    frames: int


class Recogniser:
    """A quarter of a second of one core per utterance: call it from `AT_ONCE` executor threads."""

    def __init__(self, model: Path) -> None:
        self._whisper = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1, num_workers=AT_ONCE)
        self._tokenizer = Tokenizer(self._whisper.hf_tokenizer, multilingual=False)
        self.hear(np.zeros(RATE, np.float32), timed=True)

    def hear(self, audio: Samples, *, timed: bool) -> Heard:
        """Words of at most `LONGEST_UTTERANCE_S`; without `timed`, the times are only spread evenly (faster)."""
        duration = len(audio) / RATE
        if duration < _SHORTEST_SPEECH_S:
            return NOTHING
        encoded = self._encode(audio)
        text, confidence = self._decode(encoded, duration)
        words = without_echo(text.split())
        if not words or _HUM.fullmatch(_letters("".join(words))):
            return NOTHING
        spread = _spread(words, duration, confidence)
        return Heard((self._align(encoded, words, duration) or spread) if timed else spread, confidence)

    def _encode(self, audio: Samples) -> _Encoded:
        context = min(max(len(audio) / RATE + _SILENCE_AFTER_S, _SHORTEST_CONTEXT_S), _LONGEST_CONTEXT_S)
        padded = np.zeros(int(context * RATE), np.float32)
        padded[: len(audio)] = audio[: len(padded)]
        features = self._whisper.feature_extractor(padded, padding=0)
        frames = features.shape[-1] // 2 * 2
        batch = np.ascontiguousarray(features[None, :, :frames], dtype=np.float32)
        return _Encoded(self._whisper.model.encode(ctranslate2.StorageView.from_array(batch)), frames)

    def _decode(self, encoded: _Encoded, duration: float) -> tuple[str, float]:
        prompt = list(self._tokenizer.sot_sequence)
        longest = int(len(prompt) + 12 + duration * 8)
        [result] = self._whisper.model.generate(
            encoded.features, [prompt], beam_size=1, max_length=longest, return_scores=True, return_no_speech_prob=True
        )
        if result.no_speech_prob > _NOISE:
            return "", 0.0
        tokens = self._within(result.sequences_ids[0], duration)
        return self._tokenizer.decode(tokens).strip(), float(np.exp(result.scores[0]))

    def _within(self, tokens: list[int], duration: float) -> list[int]:
        """Text tokens up to the first time token near the audio's end: what follows was made up over the silence."""
        begin = self._tokenizer.timestamp_begin
        kept: list[int] = []
        for token in tokens:
            if token < begin:
                kept.append(token)
            elif kept and (token - begin) * _FRAME_S >= duration - 0.6:
                break
        return kept

    def _align(self, encoded: _Encoded, words: list[str], duration: float) -> tuple[Word, ...] | None:
        tokens = [self._tokenizer.encode(" " + " ".join(words))]
        aligned = self._whisper.find_alignment(self._tokenizer, tokens, encoded.features, encoded.frames)[0]
        timed = [word for word in aligned if _letters(word["word"])]
        if len(timed) != len(words):
            return None
        return tuple(
            Word(
                text,
                min(float(word["start"]), duration),
                min(max(float(word["end"]), float(word["start"]) + _FRAME_S), duration),
                float(word["probability"]),
            )
            for text, word in zip(words, timed, strict=True)
        )


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def without_echo(words: list[str]) -> list[str]:
    """Cuts a decoder's loop: everything after the words that the rest only repeats."""
    for cut in range(1, len(words)):
        head, rest = _letters("".join(words[:cut])), _letters("".join(words[cut:]))
        looped = head != "" and rest.startswith(head * 3)
        begins_again = len(rest) >= _SHORTEST_ECHO and head.startswith(rest)
        if looped or begins_again:
            return words[:cut]
    return words


def _spread(words: list[str], duration: float, confidence: float) -> tuple[Word, ...]:
    step = duration / sum(map(len, words))
    ends = np.cumsum([len(word) for word in words]) * step
    return tuple(
        Word(word, float(end) - len(word) * step, float(end), confidence) for word, end in zip(words, ends, strict=True)
    )
