"""The query parameters of `/v1/listen`, checked before anything is upgraded or read."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.errors import Refused
from local.hearing.audio import ENCODINGS, Decoder

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ListenQuery:
    """Parameters that are not served here (numerals, diarize, ...) are ignored, as Deepgram ignores unknown ones."""

    encoding: str | None
    sample_rate: int
    channels: int
    interim_results: bool
    vad_events: bool
    punctuated: bool
    endpointing: bool
    endpoint_s: float
    utterance_end_s: float | None

    @classmethod
    def of(cls, query: Mapping[str, str], *, live: bool) -> "ListenQuery":
        """Raises `Refused` (400) naming the parameter and what was expected."""
        _check_language(query.get("language", "en"))
        endpointing, endpoint_s = _endpointing(query.get("endpointing", "10"))
        gap = _integer(query, "utterance_end_ms", 0, 1000, 10_000)
        return cls(
            encoding=_encoding(query, live=live),
            sample_rate=_integer(query, "sample_rate", 16_000, 8_000, 48_000),
            channels=_integer(query, "channels", 1, 1, 2),
            interim_results=_boolean(query, "interim_results"),
            vad_events=_boolean(query, "vad_events"),
            punctuated=_boolean(query, "punctuate") or _boolean(query, "smart_format"),
            endpointing=endpointing,
            endpoint_s=endpoint_s,
            utterance_end_s=gap / 1000 if gap else None,
        )

    def decoder(self) -> Decoder:
        return Decoder(self.encoding or "linear16", self.sample_rate, self.channels)


def _refused(name: str, expected: str, value: str) -> Refused:
    return Refused(f"{name}: expected {expected}, got {value!r}.", param=name)


def _check_language(value: str) -> None:
    if value != "multi" and value.split("-", maxsplit=1)[0] != "en":
        raise _refused("language", "English (en, en-US, ...)", value)


def _encoding(query: Mapping[str, str], *, live: bool) -> str | None:
    value = query.get("encoding")
    if value is None and not live:
        return None
    if value not in ENCODINGS:
        raise _refused("encoding", " or ".join(ENCODINGS), value or "")
    return value


def _boolean(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false")
    if value.lower() not in _BOOLEANS:
        raise _refused(name, "true or false", value)
    return _BOOLEANS[value.lower()]


def _integer(query: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
        raise _refused(name, f"an integer from {lowest} to {highest}", value)
    return int(value)


def _endpointing(value: str) -> tuple[bool, float]:
    """Whether ends of speech are told, and after how many seconds of silence a result is final."""
    if value.lower() == "false":
        return False, 0.5
    if value.lower() == "true":
        return True, 0.01
    return True, _integer({"endpointing": value}, "endpointing", 10, 0, 10_000) / 1000
