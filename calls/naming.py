"""What the people of a call are called in its room, and where its agent's model reads of them."""

from typing import Any

import sqlalchemy as sa

SHOWN_DIGITS = 4


def participant_name(row: sa.Row[Any]) -> str:
    """The name of one of `participants`: a phone's shows no more of its number than its last digits."""
    if row.transport != "pstn":
        return str(row.identity)
    return str(row.metadata.get("name") or phone_name(row.identity))


def phone_name(number: str) -> str:
    """`Phone 1234`; only `Phone` if whoever calls sent no number."""
    shown = "".join(filter(str.isdecimal, number))[-SHOWN_DIGITS:]
    return f"Phone {shown}".rstrip()
