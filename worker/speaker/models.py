"""The language models of one agent, in the order in which they are asked: the first that is known to work."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from livekit.agents import llm

AGAIN_S = 30.0  # after a failure a model is asked only if the others fail too, for so long


class Models:
    """Knows which of them failed lately.

    Args:
        models: the first is the one that is wanted.
        on_switched: called with the place in `models` of the one that answers, when that was another one before.
    """

    def __init__(self, models: Sequence[llm.LLM[Any]], on_switched: Callable[[int], None]) -> None:
        self._models = models
        self._on_switched = on_switched
        self._failed_at = [-AGAIN_S] * len(models)
        self._answering = 0

    def __len__(self) -> int:
        return len(self._models)

    def __getitem__(self, place: int) -> llm.LLM[Any]:
        return self._models[place]

    @property
    def best(self) -> int:
        """The place of the first that has not failed lately; of several that all have, the one that did first."""
        now = time.monotonic()
        working = (place for place, at in enumerate(self._failed_at) if now - at >= AGAIN_S)
        return next(working, self._failed_at.index(min(self._failed_at)))

    def failed(self, place: int) -> None:
        """It did not answer."""
        self._failed_at[place] = time.monotonic()

    def answers(self, place: int) -> None:
        """It begins to answer."""
        self._failed_at[place] = -AGAIN_S
        if place != self._answering:
            self._answering = place
            self._on_switched(place)
