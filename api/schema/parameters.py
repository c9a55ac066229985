"""What stands in the paths: of what a route is about and the parameter's name, what it is and an example."""

from typing import Any

from api.schema.examples import AGENT_ID, CALL_ID, ID, OWN_NUMBER, PHONE

Json = dict[str, Any]

_ID: Json = {"type": "string", "format": "uuid"}
_TEXT: Json = {"type": "string", "minLength": 1}
_PHONE: Json = {"type": "string", "minLength": 1, "maxLength": 64}

IN_PATHS: dict[tuple[str, str], Json] = {
    ("agents", "id"): {"description": "The agent's id.", "schema": _ID, "example": AGENT_ID},
    ("agents", "change_id"): {"description": "The change's id.", "schema": _ID, "example": ID},
    ("calls", "id"): {"description": "The call's id.", "schema": _ID, "example": CALL_ID},
    ("calls", "batch"): {
        "description": "The `batch_id` that was given, or the answer's.",
        "schema": _TEXT,
        "example": "batch_1710",
    },
    ("recordings", "key"): {
        "description": "Where the file is in the storage: take the whole link from the call.",
        "schema": _TEXT,
        "example": f"recordings/{CALL_ID}.wav",
    },
    ("keys", "id"): {"description": "The key's id.", "schema": _ID, "example": ID},
    ("auth", "id"): {"description": "The key's id.", "schema": _ID, "example": ID},
    ("numbers", "number"): {"description": "One of your phone numbers.", "schema": _PHONE, "example": OWN_NUMBER},
    ("dnc", "phone"): {"description": "A phone number that is on the list.", "schema": _PHONE, "example": PHONE},
    ("tool-secrets", "name"): {
        "description": "The secret's name, as tools write it.",
        "schema": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,63}$"},
        "example": "SHOP_KEY",
    },
    ("shared", "code"): {"description": "The last part of a share link.", "schema": _TEXT, "example": "kZ3vQ8xW2mPd"},
    ("webhooks", "id"): {"description": "The endpoint's id.", "schema": _ID, "example": ID},
    ("webhooks", "delivery_id"): {"description": "The delivery's id.", "schema": _ID, "example": ID},
}
