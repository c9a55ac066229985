"""Who shall be in a call, as it is asked and answered: numbers in one spelling, nobody twice, what the key may do."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from aiohttp import web

from api import rendering
from api.routing import KEY, PASSES, ROOMS, SETTINGS, own_address
from api.schema import participants as schema
from calls.analysis.post_call import PostCall
from calls.errors import FieldError, Forbidden, Invalid
from calls.phones.numbers import normalise
from calls.placing.creation import NewParticipant
from calls.tenants.keys import Key


def parse(given: Sequence[schema.NewParticipant]) -> list[NewParticipant]:
    """Check the participants and bring phone numbers to E.164.

    Raises:
        Invalid: an identity that is no phone number, is there twice, or a `from_number` that makes no sense.
    """
    wrong: list[FieldError] = []
    people = []
    for index, one in enumerate(given):
        path = f"participants[{index}]"
        phone = one.transport == "pstn"
        identity = number(one.identity, f"{path}.identity", wrong) if phone else one.identity
        if one.from_number is not None and not phone:
            wrong.append(FieldError(f"{path}.from_number", "only a pstn participant has a caller ID"))
        from_number = number(one.from_number, f"{path}.from_number", wrong) if one.from_number and phone else None
        people.append(NewParticipant(one.transport, identity, one.metadata, from_number))
    times = Counter(one.identity for one in people)
    wrong += [
        FieldError(f"participants[{index}].identity", "the same identity twice")
        for index, one in enumerate(people)
        if times[one.identity] > 1
    ]
    if wrong:
        raise Invalid(f"{wrong[0].path}: {wrong[0].message}", wrong)
    return people


def number(text: str, path: str, wrong: list[FieldError]) -> str:
    """The number in E.164; if it is none, `wrong` grows by that."""
    try:
        return normalise(text)
    except ValueError as error:
        wrong.append(FieldError(path, f"expected {error}"))
        return text


def check_publishable(
    key: Key, agent_id: str, given: Sequence[schema.NewParticipant], post_call: PostCall | None = None
) -> None:
    """A browser's key calls its own agent, over its channels, one phone alone, and shows no caller ID of its choice.

    What is made of the call when it is over is not its choice either.

    Raises:
        Forbidden: naming the rule.
    """
    if not key.publishable:
        return
    if post_call is not None:
        raise Forbidden("A publishable key cannot choose post_call.", code="post_call_not_allowed")
    phones = [one for one in given if one.transport == "pstn"]
    if agent_id != key.agent_id:
        raise Forbidden("This publishable key is for another agent.", code="agent_not_allowed")
    if phones and "phone" not in key.allowed_channels:
        raise Forbidden("This publishable key does not permit the phone channel.", code="channel_not_allowed")
    if len(phones) < len(given) and "web" not in key.allowed_channels:
        raise Forbidden("This publishable key does not permit the web channel.", code="channel_not_allowed")
    if phones and len(given) > 1:
        raise Forbidden("A publishable key calls exactly one phone, and nobody else.", code="one_phone_only")
    if any(one.from_number is not None for one in phones):
        raise Forbidden("A publishable key cannot choose from_number.", code="from_number_not_allowed")


def places(request: web.Request, room_name: str, rows: Sequence[sa.Row[Any]]) -> list[schema.Place]:
    """The new participants as the answer shows them, each browser with a token, and mostly a page, of its own."""
    return [
        _browser(request, room_name, row) if row.transport == "webrtc" else rendering.phone_place(row) for row in rows
    ]


def _browser(request: web.Request, room_name: str, row: sa.Row[Any]) -> schema.BrowserPlace:
    token = request.app[ROOMS].caller_token(room_name, row.identity, row.metadata)
    access = schema.Access(url=request.app[SETTINGS].livekit_for_browsers, token=token)
    # A publishable key stands in a page, which lets its user in itself; nor shall all who read it hand out links to us.
    key = request[KEY]
    code = None if key.publishable else request.app[PASSES].join_code(row.id, key.id)
    return rendering.browser_place(row, access, code and f"{own_address(request)}/join/{code}")
