"""`POST /v1/listen`: the words of a whole recording."""

from uuid import uuid4

from aiohttp import web

from local.errors import Refused
from local.hearing.audio import RATE, Samples, UnreadableAudio, decode_file, decode_raw
from local.hearing.endpointing import Endpointer, SpeechEnded, Utterance
from local.listen.query import ListenQuery
from local.listen.results import alternative, metadata
from local.models import Models, loaded

_ENDPOINT_S = 0.5


async def listen_recorded(request: web.Request) -> web.Response:
    query = ListenQuery.of(request.query, live=False)
    if request.content_type == "application/json":
        raise Refused("Send the audio itself as the body; fetching a URL is not served.")
    body, models = await request.read(), await loaded(request)
    if not body:
        raise Refused("The body is empty: expected audio.")
    audio = await models.hearing(_decode, body, query)
    utterances = await models.hearing(_utterances, audio, models)
    heard = [(item.start, await models.recognise(item.audio, timed=True)) for item in utterances]
    duration = len(audio) / RATE
    results = {"channels": [{"alternatives": [alternative(heard, query)]}]}
    return web.json_response({"metadata": metadata(str(uuid4()), duration, 1), "results": results})


def _decode(body: bytes, query: ListenQuery) -> Samples:
    try:
        if query.encoding is None:
            return decode_file(body)
        return decode_raw(body, query.encoding, query.sample_rate, query.channels)
    except UnreadableAudio as error:
        raise Refused(f"{error}; a raw stream needs encoding and sample_rate.") from error


def _utterances(audio: Samples, models: Models) -> list[Utterance]:
    endpointer = Endpointer(models.vad, _ENDPOINT_S)
    events = [*endpointer.feed(audio), *endpointer.finish()]
    return [event.utterance for event in events if isinstance(event, SpeechEnded)]
