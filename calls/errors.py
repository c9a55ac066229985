"""One root for every error that has a meaning to a client; the class carries its HTTP status and code."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One wrong field: `path` as in `participants[0].identity`, `message` says what was expected."""

    path: str
    message: str


class CallroomError(Exception):
    """Root of the project's errors; `str(error)` is the sentence that a client reads."""

    status = 500
    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class Invalid(CallroomError):
    """A body, query or path value is not what was expected; `details` names each field."""

    status = 400
    code = "validation_error"

    def __init__(self, message: str, details: list[FieldError] | None = None) -> None:
        super().__init__(message)
        self.details = details or []

    @classmethod
    def field(cls, path: str, message: str) -> "Invalid":
        """The error of one field."""
        return cls(f"{path}: {message}", [FieldError(path, message)])


class Unauthorized(CallroomError):
    """No key, or one that is unknown or revoked."""

    status = 401
    code = "unauthorized"


class PaymentRequired(CallroomError):
    """A metered tenant has not enough credits left."""

    status = 402
    code = "insufficient_credits"


class Forbidden(CallroomError):
    """The key is known but may not do this."""

    status = 403
    code = "forbidden"


class NotFound(CallroomError):
    """Nothing of that name exists for this tenant."""

    status = 404
    code = "not_found"


class Conflict(CallroomError):
    """What was asked does not fit what is there now."""

    status = 409
    code = "conflict"


class ChangedSince(CallroomError):
    """What is to be changed is no longer as it was when it was read."""

    status = 412
    code = "changed_since"


class TooLarge(CallroomError):
    """The body is larger than the limit."""

    status = 413
    code = "body_too_large"


class UnsupportedMedia(CallroomError):
    """The body is not of the content type that is read here."""

    status = 415
    code = "unsupported_media_type"


class IdempotencyMismatch(CallroomError):
    """The same Idempotency-Key came with another body."""

    status = 422
    code = "idempotency_key_reused"


class RateLimited(CallroomError):
    """Too many requests; `retry_after` is in whole seconds."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, retry_after: int, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Unavailable(CallroomError):
    """A server that is needed (LiveKit, the database) does not answer; `retry_after` is in whole seconds."""

    status = 503
    code = "unavailable"
    retry_after = 2


class DatabaseAway(Unavailable):
    """The database cannot be reached, does not answer, or is locked: the same may be asked again later.

    `why` is for logs: the kind of error and its code, as in `InvalidPasswordError 28P01`.
    `cut_short` says that it does answer, and has ended this one statement, which took too long or was in another's way.
    """

    code = "database_unavailable"

    def __init__(self, why: str = "", *, cut_short: bool = False) -> None:
        super().__init__("The database does not answer; try again.")
        self.why = why
        self.cut_short = cut_short


class StorageAway(Unavailable):
    """Recordings can neither be stored nor fetched: the same may be asked again later. The message says why."""

    code = "storage_unavailable"


class SecretUnreadable(Unavailable):
    """A stored secret was encrypted with a key that this process does not have."""

    code = "encryption_key_missing"

    def __init__(self) -> None:
        super().__init__(
            "A stored secret cannot be read: the key that it was encrypted with is neither in "
            "CALLROOM_ENCRYPTION_KEYS nor, without that setting, in the file encryption.key of the state folder."
        )
