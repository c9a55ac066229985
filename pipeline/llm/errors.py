"""Why there is no answer."""


class LlmUnavailable(Exception):
    """The model's server does not answer as it should just now; the same request may succeed later."""


class LlmFailed(Exception):
    """No usable answer, and asking again would not bring one; the text says why."""


class TooLong(Exception):
    """A shorter request should be tried.

    Args:
        size: bytes of the request that failed.
        reason: what is wrong if shorter ones fail as well; None where the server said that the length is it.
        lasting: the same request would fail the same way tomorrow.
    """

    def __init__(self, size: int, reason: LlmUnavailable | LlmFailed | None = None, *, lasting: bool = True) -> None:
        super().__init__("the request may be too long for the model")
        self.size, self.reason, self.lasting = size, reason, lasting


class Unusable(Exception):
    """An answer that is not what was asked for; `problems` says why, one sentence each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
