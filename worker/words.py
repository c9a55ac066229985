"""The few words that the worker itself knows: what only shows that one listens, and what the agent says in need."""

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
_PHRASES = {
    "en": {
        "reminder": "Are you still there?",
        "back": "Sorry, I was away for a moment.",
        "goodbye": "Goodbye.",
        "transfer": "One moment please, I'll connect you.",
        "moment": "One moment, please.",
        "silence": "I can't hear you any more, so I'll hang up now. Goodbye.",
        "sorry": "I'm sorry, I didn't get that. Could you say it again?",
        "failed": "I'm sorry, something is wrong on our side. Please call again later. Goodbye.",
        "credits_used_up": "I'm sorry, the credit for this call is used up, so it ends now. Goodbye.",
    },
    "de": {
        "reminder": "Sind Sie noch da?",
        "back": "Entschuldigung, ich war einen Moment weg.",
        "goodbye": "Auf Wiederhören.",
        "transfer": "Einen Moment bitte, ich verbinde Sie.",
        "moment": "Einen Moment bitte.",
        "silence": "Ich höre Sie nicht mehr und lege jetzt auf. Auf Wiederhören.",
        "sorry": "Entschuldigung, das habe ich nicht verstanden. Können Sie es noch einmal sagen?",
        "failed": "Entschuldigung, bei uns ist etwas nicht in Ordnung. Bitte rufen Sie später wieder an.",
        "credits_used_up": "Das Guthaben für dieses Gespräch ist leider aufgebraucht, es endet jetzt. Auf Wiederhören.",
    },
    "es": {
        "reminder": "¿Sigue ahí?",
        "back": "Perdone, me he ausentado un momento.",
        "goodbye": "Adiós.",
        "transfer": "Un momento, por favor, le paso.",
        "moment": "Un momento, por favor.",
        "silence": "Ya no le oigo, así que voy a colgar. Adiós.",
        "sorry": "Perdone, no le he entendido. ¿Puede repetirlo?",
        "failed": "Perdone, tenemos un problema técnico. Llame más tarde, por favor. Adiós.",
        "credits_used_up": "Lo siento, el saldo de esta llamada se ha agotado y termina ahora. Adiós.",
    },
    "fr": {
        "reminder": "Êtes-vous toujours là ?",
        "back": "Pardon, j'ai été absent un instant.",
        "goodbye": "Au revoir.",
        "transfer": "Un instant, s'il vous plaît, je vous mets en relation.",
        "moment": "Un instant, s'il vous plaît.",
        "silence": "Je ne vous entends plus, je raccroche. Au revoir.",
        "sorry": "Pardon, je n'ai pas compris. Pouvez-vous répéter ?",
        "failed": "Pardon, nous avons un problème technique. Rappelez plus tard, s'il vous plaît.",
        "credits_used_up": "Désolé, le crédit de cet appel est épuisé et il se termine maintenant. Au revoir.",
    },
}


def is_backchannel(text: str) -> bool:
    """Whether `text` only shows that its speaker listens: "mm-hm", "okay, right"."""
    words = re.sub(r"[-'’]|(?<=\bi) (?=see\b)|(?<=\bgot) (?=it\b)", "", text.lower())
    found = re.findall(r"\w+", words)
    return bool(found) and all(word in _BACKCHANNELS for word in found)


def is_parting(text: str) -> bool:
    """Whether `text`, said to a goodbye, leaves it at that: "okay, bye", "danke, tschüss", or a sign of listening."""
    return all(word in _PARTINGS or is_backchannel(word) for word in re.findall(r"\w+", text.lower()))


def phrase(key: str, language: str | None) -> str:
    """What the agent says in its own `language` (a tag like `en-US`), English where it has no words of its own."""
    return _PHRASES.get((language or "en").split("-")[0].lower(), _PHRASES["en"])[key]
