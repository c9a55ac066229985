"""The few words that the worker itself knows: what only shows that one listens, and what ends a goodbye."""

import re

# Said while another speaks, these mean "go on", not "let me speak".
_BACKCHANNELS = frozenset(
    {"mm", "mmm", "mhm", "mmhm", "mmhmm", "hm", "hmm", "hmmm", "uhhuh", "uh", "um", "ah", "aha", "oh"}
    | {"ok", "okay", "yeah", "yep", "right", "sure", "isee", "gotit"},
)
# To a goodbye, these are the answer and no objection.
_PARTINGS = frozenset(
    re.findall(
        r"\w+",
        """
        bye goodbye good night day evening weekend have a nice great lovely one take care see you later soon talk to
        thank thanks so very much for your help time the all same too cheers yes alright perfect fine
        tschüss tschüs ciao auf wiederhören wiedersehen danke vielen dank schön schönen tag noch abend ebenfalls
        gleichfalls ihnen auch bis bald dann gut ja
        adiós adios gracias muchas hasta luego pronto chao igualmente buen buenas día tarde noche tardes noches sí vale
        au revoir merci beaucoup bien bonne journée soirée à bientôt également salut oui
        """,
    ),
)


def is_backchannel(text: str) -> bool:
    """Whether `text` only shows that its speaker listens: "mm-hm", "okay, right"."""
    words = re.sub(r"[-'’]|(?<=\bi) (?=see\b)|(?<=\bgot) (?=it\b)", "", text.lower())
    found = re.findall(r"\w+", words)
    return bool(found) and all(word in _BACKCHANNELS for word in found)


def is_parting(text: str) -> bool:
    """Whether `text`, said to a goodbye, leaves it at that: "okay, bye", "danke, tschüss", or a sign of listening."""
    return all(word in _PARTINGS or is_backchannel(word) for word in re.findall(r"\w+", text.lower()))
