"""What users configure: exact when it comes in, and read again from rows at little cost."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo

_STORED = {"stored": True}


class Config(BaseModel):
    """Exact JSON types, and a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def stored(cls, value: dict[str, Any]) -> Self:
        """Read what a row keeps, which was checked when it came in.

        Fields and values that another version wrote and this one does not know are left out: no call is to be without
        its end because nobody can read it.
        """
        try:
            return cls.model_validate(value, extra="ignore", context=_STORED)
        except ValidationError as error:
            known = _without(value, [one["loc"] for one in error.errors()])
            return cls.model_validate(known, extra="ignore", context=_STORED)


def is_stored(info: ValidationInfo) -> bool:
    """Whether a validator sees what a row keeps, so that a costly check can be spared."""
    return info.context is _STORED


def _without(value: dict[str, Any], places: Iterable[tuple[str | int, ...]]) -> dict[str, Any]:
    """A copy of JSON in which there is nothing at these places."""
    kept: Any = deepcopy(value)
    for *path, last in sorted(places, reverse=True):  # of a list's items the last ones first: the others move up
        within = kept
        for step in path:
            within = within[step]
        del within[last]
    return cast("dict[str, Any]", kept)
