"""Why a call of a tool came to nothing."""


class ToolFailed(Exception):
    """`str(error)` is for the model and for whoever looks at the call: short, and no secret is in it.

    Args:
        what: in words of ours, which tell nothing of what was said in the call.
        said: what there is to be known of it beyond that.
    """

    def __init__(self, what: str, said: str = "") -> None:
        super().__init__(f"{what}: {said}" if said else what)
        self.what = what
