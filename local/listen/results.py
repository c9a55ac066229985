"""What Deepgram's answers are made of."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from local.hearing.recogniser import Heard, Word
from local.listen.query import ListenQuery

MODEL_INFO = {"name": "tiny.en", "version": "local", "arch": "whisper"}


def alternative(parts: Iterable[tuple[float, Heard]], query: ListenQuery) -> dict[str, Any]:
    spoken = [(start, heard) for start, heard in parts if heard.words]
    words = [_word(start, word, query) for start, heard in spoken for word in heard.words]
    confidence = sum(heard.confidence for _, heard in spoken) / len(spoken) if spoken else 0.0
    said = (word.text if query.punctuated else word.bare for _, heard in spoken for word in heard.words)
    return {"transcript": " ".join(said), "confidence": round(confidence, 4), "words": words}


def _word(start: float, word: Word, query: ListenQuery) -> dict[str, Any]:
    punctuated = {"punctuated_word": word.text} if query.punctuated else {}
    return {
        "word": word.bare,
        "start": round(start + word.start, 3),
        "end": round(start + word.end, 3),
        "confidence": round(word.confidence, 4),
        **punctuated,
    }


def metadata(request_id: str, duration: float, channels: int) -> dict[str, Any]:
    return {
        "type": "Metadata",
        "request_id": request_id,
        "created": datetime.now(UTC).isoformat(),
        "duration": round(duration, 3),
        "channels": channels,
        "models": [request_id],
        "model_info": {request_id: MODEL_INFO},
    }
