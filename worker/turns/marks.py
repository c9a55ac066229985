"""Whether the recogniser of a call sets marks, as people do: then a sentence without one at its end goes on."""

from worker.turns.words import has_marks

ENOUGH = 3  # turns without any, one after the other, show that it sets none


class Marks:
    """Known of the recogniser from the start, or from what it writes: a number or a single word may have no mark.

    Args:
        are_set: whether it sets them; None if that is not known.
    """

    def __init__(self, *, are_set: bool | None) -> None:
        # Where it is not known one turn tells: to wait in vain in the first one is better than to talk into it.
        self._turns_without = {True: 0, None: ENOUGH - 1, False: ENOUGH}[are_set]
        self._seen = False  # in the present turn

    @property
    def are_expected(self) -> bool:
        """Whether the mark that is missing tells something."""
        return self._turns_without < ENOUGH

    def see(self, text: str) -> None:
        """It has written so."""
        self._seen |= has_marks(text)

    def end_turn(self) -> None:
        """All that it has written of a turn was seen."""
        self._turns_without = 0 if self._seen else self._turns_without + 1
        self._seen = False
