"""How long somebody must have been silent: until the turn is the agent's, and until its answer is asked for.

The curves of `docs/latency.md`.
"""

import math

LEAST_S = 0.25  # of silence end a turn that is surely whole: by then the voice activity calls it one,
MOST_S = 1.8  # and one that is surely not
ASK_S = 0.6  # so long before it the model is asked: about as long as its first words take to be sound
FADES_S = 0.22  # of silence leave an e-th of the odds that somebody goes on; for what is asked earlier
VOICE_WEIGHT = 2.0  # of the voice beside the words, in log-odds,
VOICE_FOR, VOICE_AGAINST = 0.5, -1.3  # and how far it counts: with some voices it is sure, and wrong


def needed_s(words: float, voice: float | None = None, threshold: float = 0.5) -> float:
    """The silence that ends a turn, in seconds.

    Args:
        words: how likely they are all, from 0 to 1.
        voice: how likely it has finished by its sound; None if that is not known.
        threshold: the probability from which on a finished voice is likelier than the other, in its language.
    """
    goes_on = 1 / (1 + math.exp(_whole(words, voice, threshold)))
    return LEAST_S + (MOST_S - LEAST_S) * goes_on**2


def asked_after_s(
    end_s: float, eager: float, words: float, voice: float | None = None, threshold: float = 0.5
) -> float:
    """The silence after which the answer is asked for, in seconds: 0 or less if none is needed.

    As long before the end as an answer takes, or sooner: as soon as it is in vain with no more than the chance that
    `eager` allows. With 0.1 and less that is never sooner.

    Args:
        end_s: the silence that ends the turn.
        eager: how likely the request may be in vain, above 0.
        words: as for `needed_s`,
        voice: and this,
        threshold: and this.
    """
    return min(end_s - ASK_S, FADES_S * (-_log_odds(eager) - _whole(words, voice, threshold)))


def _whole(words: float, voice: float | None, threshold: float) -> float:
    """The log-odds that the turn is whole, by words and voice together."""
    heard = 0.0 if voice is None else _log_odds(voice) - _log_odds(threshold)
    return _log_odds(words) + VOICE_WEIGHT * min(max(heard, VOICE_AGAINST), VOICE_FOR)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 0.001), 0.999)
    return math.log(bounded / (1 - bounded))
