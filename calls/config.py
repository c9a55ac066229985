"""What users configure: exact when it comes in, and read again from rows at little cost."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationInfo

_STORED = {"stored": True}


class Config(BaseModel):
    """Exact JSON types, and a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def stored(cls, value: dict[str, Any]) -> Self:
        """Read what a row keeps. It was checked when it came in; a field that a newer version wrote is left out."""
        return cls.model_validate(value, extra="ignore", context=_STORED)


def is_stored(info: ValidationInfo) -> bool:
    """Whether a validator sees what a row keeps, so that a costly check can be spared."""
    return info.context is _STORED
