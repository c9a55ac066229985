"""How likely what somebody has said is all of it, by the words: "a table for" goes on, "a table for two." hardly."""

import re
from dataclasses import dataclass

from worker.turns.numbers import dictated

OPEN = 0.01  # nobody ends so
NUMBER = 0.05  # a number that may have more groups
NUMBER_MARKED = 0.35  # the same, with a mark at the end
LOOSE = 0.1  # it has no mark at the end, where the same recogniser sets others
PLAIN = 0.6  # the words do not tell, or say something else than the mark at the end
MARKED = 0.92  # the recogniser has set a mark at the end
ANSWER = 0.97  # it is a yes or a no

WHOLE_NUMBER = 10  # digits: a number that has so many has all

_LETTERS = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*['’]?")
_END = re.compile(r"[.?!。？！।؟][\"'”»)\s]*$")
_GOES_ON = re.compile(r"(?:[,;:、，؛–—-]|\.\.\.|…)\s*$")
_FILLERS = frozenset(re.findall(r"\w+", "um umm uh uhm uhh er erm ähm äh öhm öh ehm eh euh heu"))


@dataclass(frozen=True)
class _Language:
    """What tells in a language that a sentence goes on.

    open     words that end none
    loose    words that end few: prepositions that a question leaves at its end, or parts of verbs
    asking   words of questions that may end in a loose one
    digits   words that dictate a number
    """

    open: frozenset[str]
    loose: frozenset[str]
    asking: frozenset[str]
    digits: frozenset[str]

    @classmethod
    def of(cls, *, ends_none: str, ends_few: str, asks: str, counts: str) -> "_Language":
        return cls(*(frozenset(words.split()) for words in (ends_none, ends_few, asks, counts)))


_LANGUAGES = {
    "en": _Language.of(
        ends_none="""a an the my your our their its every and or but nor because whether if unless although than of
            into onto between during per via i'm i'd i'll i've we're we'd we'll we've you're you'd they're they'd
            he's she's it's that's there's let's very mr mrs dr""",
        ends_few="""for to from with without by at about as which who whose where when how what why while until is are
            was were be been am will would could should may might must shall do does did have has had isn't aren't don't
            doesn't his any some no not such i we he she they another want wanted need like called named""",
        asks="what which who whom whose where when why how",
        counts="zero oh o one two three four five six seven eight nine double triple",
    ),
    "de": _Language.of(
        ends_none="""der den dem des eine einen einem einer eines mein meine meinen meinem meiner dein deine deinen ihre
            ihren ihrem ihrer unser unsere unseren unserem seine seinen seinem keine keinen und oder aber sondern weil
            dass daß ob wenn als für ohne durch gegen zwischen wegen während im am vom zum zur beim ins ans sehr jede
            jeden jedem diese diesen diesem dieser herr frau""",
        ends_few="ein von bei in um über unter bis seit ich wir er man nur noch wie wer",
        asks="was wer wo wann wie warum wieso woher wohin welche welcher welches",
        counts="null eins zwei zwo drei vier fünf sechs sieben acht neun",
    ),
    "es": _Language.of(
        ends_none="""el la los las un una unos unas mi mis tu tus su sus nuestro nuestra de del al a en con por para sin
            sobre entre hasta desde y e o u pero porque que si aunque muy cada cuando""",
        ends_few="donde como es son están era le me te se nos lo tan soy estoy tengo quiero quería ha he",
        asks="qué quién quiénes dónde cuándo cómo cuál cuáles cuánto cuántos cuánta cuántas",
        counts="cero uno dos tres cuatro cinco seis siete ocho nueve",
    ),
    "fr": _Language.of(
        ends_none="""le les un une des du de d' l' mon ma mes ton ta tes son sa ses notre votre nos vos leur leurs cet
            cette ces à au aux dans et ou mais que qu' car si quand très je j' c'est chez vers n' s'""",
        ends_few="la en avec pour sans sur sous par entre depuis comme il on tu est sont ce qui dont ne suis ai",
        asks="quoi qui où quand comment pourquoi combien quel quelle quels quelles",
        counts="""zéro deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt
            trente quarante cinquante soixante quatre-vingt quatre-vingts""",
    ),
}
_ANSWERS = frozenset({"yes", "yeah", "no", "nope", "ja", "nein", "doch", "sí", "oui", "non", "si"})
_SHORT_ANSWER = 4  # "yes, I do"


def likely_whole(text: str, language: str | None) -> float:
    """How likely nothing follows, from 0 to 1.

    Args:
        text: all that was said since the last answer.
        language: a tag as `de-AT`; without one it is guessed. Where we know no words of it, only marks tell something.
    """
    text = text.strip()
    words = [word.lower().replace("’", "'") for word in _LETTERS.findall(text)]
    marked = _END.search(text) is not None and not text.endswith("...")
    if _GOES_ON.search(text) or (words and words[-1] in _FILLERS and not text[-1].isdigit()):
        return OPEN
    known = _known(words, language)
    whole = _of_number(dictated(text, known.digits if known is not None else frozenset()), marked=marked)
    if whole is None and known is not None and words and _LETTERS.search(text, text.rfind(" ") + 1):
        whole = _of_last_word(words, known, marked=marked)
    if whole is not None:
        return whole
    if words and _ANSWERS.issuperset(words):
        return ANSWER
    if marked:
        return MARKED
    return LOOSE if _has_marks(text) else PLAIN


def _of_number(digits: int, *, marked: bool) -> float | None:
    if digits == 0 or digits >= WHOLE_NUMBER:
        return None
    return NUMBER_MARKED if marked else NUMBER


def _of_last_word(words: list[str], known: _Language, *, marked: bool) -> float | None:
    if words[-1] in known.open:
        return OPEN
    asks = not known.asking.isdisjoint(words[:-1])
    if (
        words[-1] not in known.loose
        or asks
        or len(words) == 1
        or (words[0] in _ANSWERS and len(words) <= _SHORT_ANSWER)
    ):
        return None
    return PLAIN if marked else OPEN


def _known(words: list[str], language: str | None) -> _Language | None:
    """What we know of the language; where nobody has named one, that of which most words are in these."""
    if language:
        return _LANGUAGES.get(re.split("[-_]", language.lower())[0])
    hits = {name: sum(word in one.open | one.loose for word in words) for name, one in _LANGUAGES.items()}
    best = max(hits, key=lambda name: hits[name])
    return _LANGUAGES[best] if hits[best] else None


def _has_marks(text: str) -> bool:
    """Whether its recogniser writes as people do: then a mark at the end is missing where there is none."""
    return any(sign.isupper() for sign in text) or any(sign in ",.?!" for sign in text)
