"""How long somebody must have been silent until the turn is the agent's: the curve of `docs/latency.md`."""

import math

LEAST_S = 0.25  # of silence end a turn that is surely whole: by then the voice activity calls it one,
MOST_S = 1.8  # and one that is surely not
VOICE_WEIGHT = 2.0  # of the voice beside the words, in log-odds,
VOICE_FOR, VOICE_AGAINST = 0.5, -1.3  # and how far it counts: with some voices it is sure, and wrong


def needed_s(words: float, voice: float | None = None, threshold: float = 0.5) -> float:
    """The silence that ends a turn, in seconds.

    Args:
        words: how likely they are all, from 0 to 1.
        voice: how likely it has finished by its sound; None if that is not known.
        threshold: the probability from which on a finished voice is likelier than the other, in its language.
    """
    heard = 0.0 if voice is None else _log_odds(voice) - _log_odds(threshold)
    whole = _log_odds(words) + VOICE_WEIGHT * min(max(heard, VOICE_AGAINST), VOICE_FOR)
    goes_on = 1 / (1 + math.exp(whole))
    return LEAST_S + (MOST_S - LEAST_S) * goes_on**2


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 0.001), 0.999)
    return math.log(bounded / (1 - bounded))
