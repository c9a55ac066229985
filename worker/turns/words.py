"""How likely what somebody has said is all of it, by the words: "a table for" goes on, "a table for two." hardly."""

import re
from dataclasses import dataclass
from itertools import takewhile

from worker.turns.letters import spelled
from worker.turns.numbers import Digits, dictated

OPEN = 0.01  # nobody ends so
NUMBER = 0.05  # a number that may have more groups, or a word that may have more letters
NUMBER_MARKED = 0.35  # the same, with a mark at the end
LOOSE = 0.1  # it has no mark at the end, where the recogniser sets marks
PLAIN = 0.6  # the words do not tell, or say something else than the mark at the end
MARKED = 0.92  # the recogniser has set a mark at the end
ANSWER = 0.97  # it is a yes or a no

WHOLE_NUMBER = 10  # digits: a number that has so many has all

_LETTERS = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*['’]?")
_END = re.compile(r"[.?!。？！।؟][\"'”»)\s]*$")
_GOES_ON = re.compile(r"(?:[,;:、，؛–—-]|\.\.\.|…)\s*$")
_MARK = re.compile(r"[,.?!](?=\s|$)|[。？！、，।؟،]")
_NO_STOP = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff]\s*$")  # Thai, Lao and Khmer end a sentence with a space
_GREEK = re.compile(r"[α-ωά-ώΑ-Ω]")
_QUESTION_IN_GREEK = str.maketrans(";\u037e", "??")
_FILLERS = frozenset({"uh", "uhh", "uhm", "umm", "ähm", "äh", "öhm", "öh", "ehm", "euh"})  # words in no language


@dataclass(frozen=True)
class _Language:
    """What tells in a language that a sentence goes on.

    open     words that end none
    half     words that end one only with a mark: articles that may be pronouns
    loose    words that end few: prepositions that a question leaves at its end, or parts of verbs,
    verbs    of which these end a short answer: "yes, I do"
    asking   words of questions that may end in a loose one,
    subjects and those that make no question of it where they follow: "what I would like is"
    fillers  sounds of who thinks, that are words elsewhere
    digits   words that dictate a number
    """

    open: frozenset[str]
    half: frozenset[str]
    loose: frozenset[str]
    verbs: frozenset[str]
    asking: frozenset[str]
    subjects: frozenset[str]
    fillers: frozenset[str]
    digits: Digits

    @property
    def last(self) -> frozenset[str]:
        """All words that tell something at the end."""
        return self.open | self.half | self.loose | self.verbs


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_GERMAN_UNITS = "ein zwei drei vier fünf sechs sieben acht neun"

_LANGUAGES = {
    "en": _Language(
        open=_set("""a an the my your our their its every and or but nor because whether if unless although than onto
            between during per via i'm i'd i'll i've we're we'd we'll we've you're you'd they're they'd he's she's it's
            that's there's let's very mr mrs dr"""),
        half=_set("of into"),
        loose=_set("""for to from with without by at about as which who whose where when how what why while until
            been shall his any some no not such i we he she they another want wanted need like called named"""),
        verbs=_set("""is are was were be am will would could should may might must do does did have has had isn't aren't
            don't doesn't"""),
        asking=_set("what which who whom whose where when why how"),
        subjects=_set(
            "i i'm i'd i'll i've we we're you you're he he's she she's it it's they they're that this my our the"
        ),
        fillers=_set("um er erm"),
        digits=Digits.of(
            "zero oh o one two three four five six seven eight nine double triple",
            """ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty
            sixty seventy eighty ninety""",
        ),
    ),
    "de": _Language(
        open=_set("""des und oder aber sondern weil dass daß ob wenn als für ohne durch gegen zwischen wegen während im
            am vom zum zur beim ins ans sehr herr frau"""),
        half=_set("""der den dem eine einen einem einer eines mein meine meinen meinem meiner dein deine deinen ihre
            ihren ihrem ihrer unser unsere unseren unserem seine seinen seinem keine keinen jede jeden jedem diese
            diesen diesem dieser"""),
        loose=_set("ein von bei in um über unter bis seit ich wir er man nur noch wie wer"),
        verbs=frozenset(),
        asking=_set("was wer wo wann wie warum wieso woher wohin welche welcher welches"),
        subjects=_set("ich du er wir ihr man der die das mein meine"),
        fillers=frozenset(),
        digits=Digits.of(
            "null eins zwei zwo drei vier fünf sechs sieben acht neun",
            f"""zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn {_GERMAN_TENS}
            {" ".join(f"{unit}und{ten}" for unit in _GERMAN_UNITS.split() for ten in _GERMAN_TENS.split())}""",
        ),
    ),
    "es": _Language(
        open=_set("""la los las un mis tus su sus nuestro nuestra de del al a en con por para sin sobre entre hasta
            desde y e o u pero porque que si aunque muy cada cuando"""),
        half=_set("el una unos unas mi tu"),
        loose=_set("donde como le me te nos lo tan quería ha he"),
        verbs=_set("es son están era soy estoy tengo quiero se"),
        asking=_set("qué quién quiénes dónde cuándo cómo cuál cuáles cuánto cuántos cuánta cuántas"),
        subjects=_set("yo tú él ella nosotros usted ustedes ellos ellas el mi"),
        fillers=_set("eh"),
        digits=Digits.of(
            "cero uno dos tres cuatro cinco seis siete ocho nueve",
            """diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós
            veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve treinta cuarenta cincuenta
            sesenta setenta ochenta noventa""",
        ),
    ),
    "fr": _Language(
        open=_set("""le les des du de d' l' mon ma mes ton ta tes son sa ses notre votre nos vos cet cette ces à au aux
            dans et ou mais que qu' car si quand très je j' c'est chez vers n' s'"""),
        half=_set("un une leur leurs"),
        loose=_set("la en avec pour sans sur sous par entre depuis comme il on tu ce qui dont ne"),
        verbs=_set("est sont suis ai"),
        asking=_set("quoi qui où quand comment pourquoi combien quel quelle quels quelles"),
        subjects=_set("je j'ai j'étais tu il elle nous ils elles mon ma le la"),
        fillers=_set("heu"),
        digits=Digits.of(
            """zéro deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt trente
            quarante cinquante soixante quatre-vingt quatre-vingts""",
            "dix onze douze treize quatorze quinze seize vingt vingts trente quarante cinquante soixante",
        ),
    ),
}
_ANSWERS = frozenset({"yes", "yeah", "no", "nope", "ja", "nein", "doch", "sí", "oui", "non", "si"})
_SHORT_ANSWER = 4  # "yes, I do"
_OPENINGS = _ANSWERS | {"and", "but", "so", "well", "okay", "und", "aber", "also", "y", "pero", "et", "mais", "alors"}


def likely_whole(text: str, language: str | None, *, marks: bool = False) -> float:
    """How likely nothing follows, from 0 to 1.

    Args:
        text: all that was said since the last answer.
        language: a tag as `de-AT`; without one it is guessed. Where we know no words of it, only marks tell something.
        marks: whether it is known that its recogniser sets marks; else this text tells.
    """
    text = text.strip()
    if _GREEK.search(text):
        text = text.translate(_QUESTION_IN_GREEK)
    written = _LETTERS.findall(text)
    words = [word.lower().replace("’", "'") for word in written]
    known = _known(words, language)
    ends_in_word = bool(words) and _LETTERS.search(text, text.rfind(" ") + 1) is not None
    marked = _END.search(text) is not None and not text.endswith("...")
    if _GOES_ON.search(text) or (ends_in_word and words[-1] in (_FILLERS | known.fillers if known else _FILLERS)):
        return OPEN
    if words and _ANSWERS.issuperset(words):
        return ANSWER
    whole = _of_number(dictated(text, known.digits if known is not None else Digits()), marked=marked)
    if whole is None and spelled(text):
        whole = NUMBER_MARKED if marked else NUMBER
    if whole is None and known is not None and ends_in_word and not (_is_name(written[-1]) and not text.isupper()):
        whole = _of_last_word(words, known, marked=marked, asks=text.endswith("?"))
    if whole is not None:
        return whole
    if marked:
        return MARKED
    return LOOSE if (marks or has_marks(text)) and not _NO_STOP.search(text) else PLAIN


def has_marks(text: str) -> bool:
    """Whether its recogniser writes as people do: then a mark at the end is missing where there is none."""
    return _MARK.search(text) is not None


def _is_name(word: str) -> bool:
    """Whether it is a letter: "Plan A"."""
    return len(word) == 1 and word.isupper() and word != "I"


def _of_number(digits: int, *, marked: bool) -> float | None:
    if digits == 0 or digits >= WHOLE_NUMBER:
        return None
    return NUMBER_MARKED if marked else NUMBER


def _of_last_word(words: list[str], known: _Language, *, marked: bool, asks: bool) -> float | None:
    last = words[-1]
    if last in known.open or (last in known.half and not marked):
        return OPEN
    answers = words[0] in _ANSWERS and len(words) <= _SHORT_ANSWER and last in known.verbs
    if last not in known.last or len(words) == 1 or answers or _is_question(words, known, marked=asks):
        return None
    return PLAIN if marked else OPEN


def _is_question(words: list[str], known: _Language, *, marked: bool) -> bool:
    """Whether words are a question, or have one: "what is it for", "I know what it is for"; not "what I need is"."""
    before = list(takewhile(lambda word: word not in known.asking, words[:-1]))
    if len(before) == len(words) - 1:
        return False
    return marked or not _OPENINGS.issuperset(before) or words[len(before) + 1] not in known.subjects


def _known(words: list[str], language: str | None) -> _Language | None:
    """What we know of the language; where nobody has named one, that of which most words are in these."""
    if language:
        return _LANGUAGES.get(re.split("[-_]", language.lower())[0])
    hits = {name: sum(word in one.last for word in words) for name, one in _LANGUAGES.items()}
    best = max(hits, key=lambda name: hits[name])
    return _LANGUAGES[best] if hits[best] else None
