"""How likely what somebody has said is all of it, by the words: "a table for" goes on, "a table for two." hardly."""

import re
from itertools import takewhile

from worker.turns.languages import LANGUAGES, LONGEST_PHRASE, Language
from worker.turns.letters import begins_to_spell, is_spelled
from worker.turns.numbers import Digits, Number, dictated
from worker.turns.waits import asks_to_wait, thinks_aloud
from worker.words import ASKS, CALLS, NO_ELSEWHERE, STOPS, YES_ELSEWHERE, with_question_marks

OPEN = 0.01  # nobody ends so
NUMBER = 0.05  # a number that may have more groups, or a word that may have more letters
NUMBER_MARKED = 0.35  # the same, with a mark at the end
LOOSE = 0.1  # it has no mark at the end, where the recogniser sets marks
PLAIN = 0.6  # the words do not tell, or say something else than the mark at the end
MARKED = 0.92  # the recogniser has set a mark at the end
ANSWER = 0.97  # it is a yes or a no

_LETTERS = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*['’]?")
_ASKS = ASKS + CALLS
_COMMAS = "、､，；：،؛՝፣፤፥၊"
_CLOSING = r"[\"'”’»」』）)\s]*$"
_CALLS = re.compile(rf"[?!{_ASKS}]{_CLOSING}")
_END = re.compile(rf"[.?!{STOPS}{_ASKS}]{_CLOSING}")
_GOES_ON = re.compile(rf"(?:[,;:{_COMMAS}–—-]|\.\.\.|…)\s*$")
_MARK = re.compile(rf"[,.?!](?=\s|$)|[{STOPS}{_ASKS}{_COMMAS}]")
_BETWEEN_WORDS = re.compile(rf"[,.?!{STOPS}{_ASKS}{_COMMAS}\s]+")
_NO_STOP = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff]\s*$")  # Thai, Lao and Khmer end a sentence with a space
_FILLERS = frozenset({"uh", "uhh", "uhm", "umm", "ähm", "äh", "öhm", "öh", "ehm", "euh"})  # words in no language

_ANSWERS = frozenset({"yes", "yeah", "no", "nope", "ja", "nein", "doch", "sí", "oui", "non", "si"})
_ANSWERS_ANYWHERE = _ANSWERS | YES_ELSEWHERE | NO_ELSEWHERE
_SHORT_ANSWER = 4  # "yes, I do"
_OPENINGS = _ANSWERS | {"and", "but", "so", "well", "okay", "und", "aber", "also", "y", "pero", "et", "mais", "alors"}


def likely_whole(text: str, language: str | None, *, marks: bool = False) -> float:
    """How likely nothing follows, from 0 to 1.

    Args:
        text: all that was said since the last answer.
        language: a tag as `de-AT`; without one it is guessed. Where we know no words of it, only marks tell something.
        marks: whether it is known that its recogniser sets marks; else this text tells.
    """
    text = with_question_marks(text.strip())
    written = _LETTERS.findall(text)
    words = [word.lower().replace("’", "'") for word in written]
    known = _known(words, language)
    ends_in_word = bool(words) and _LETTERS.search(text, text.rfind(" ") + 1) is not None
    marked = _END.search(text) is not None and not text.endswith("...")
    if asks_to_wait(text) or thinks_aloud(text):
        return OPEN
    if _GOES_ON.search(text) or (ends_in_word and words[-1] in (_FILLERS | known.fillers if known else _FILLERS)):
        return OPEN
    if _is_answer(text):
        return ANSWER
    whole = _of_number(dictated(text, known.digits if known is not None else Digits()), marked=marked)
    if whole is None and is_spelled(text):
        whole = NUMBER_MARKED if marked and not begins_to_spell(text) else NUMBER
    if whole is None and known is not None and ends_in_word and not (_is_name(written[-1]) and not text.isupper()):
        whole = _of_last_word(words, known, marked=marked, calls=_CALLS.search(text) is not None)
    if whole is not None:
        return whole
    if marked:
        return MARKED
    return LOOSE if (marks or has_marks(text)) and not _NO_STOP.search(text) else PLAIN


def has_marks(text: str) -> bool:
    """Whether its recogniser writes as people do: then a mark at the end is missing where there is none."""
    return _MARK.search(text) is not None


def _is_answer(text: str) -> bool:
    """Whether it is a yes or a no, in whatever language: most of these have no marks if they are short."""
    words = _BETWEEN_WORDS.sub(" ", text.lower()).split()
    return bool(words) and _ANSWERS_ANYWHERE.issuperset(words)


def _is_name(word: str) -> bool:
    """Whether it is a letter: "Plan A"."""
    return len(word) == 1 and word.isupper() and word != "I"


def _of_number(number: Number | None, *, marked: bool) -> float | None:
    if number is None or number.is_whole:
        return None
    return NUMBER_MARKED if marked and number.is_whole is None else NUMBER


def _of_last_word(words: list[str], known: Language, *, marked: bool, calls: bool) -> float | None:
    last = words[-1]
    if last in known.open or (last in known.half and not marked):
        if not calls:
            return OPEN
        return MARKED if last in known.tags else PLAIN
    pending = last in known.pending or any(
        " ".join(words[-length:]) in known.phrases for length in range(2, LONGEST_PHRASE + 1)
    )
    if len(words) == 1 or not (pending or last in known.last):
        return None
    answers = words[0] in _ANSWERS and len(words) <= _SHORT_ANSWER and last in known.verbs
    if answers or _is_question(words, known, marked=calls):
        return None
    if pending:
        return None if marked else LOOSE
    return PLAIN if marked else OPEN


def _is_question(words: list[str], known: Language, *, marked: bool) -> bool:
    """Whether words are a question, or have one: "what is it for", "I know what it is for"; not "what I need is"."""
    before = list(takewhile(lambda word: word not in known.asking, words[:-1]))
    if len(before) == len(words) - 1:
        return False
    return marked or not _OPENINGS.issuperset(before) or words[len(before) + 1] not in known.subjects


def _known(words: list[str], language: str | None) -> Language | None:
    """What we know of the language; where nobody has named one, that of which most words are in these."""
    if language:
        return LANGUAGES.get(re.split("[-_]", language.lower())[0])
    hits = {name: sum(word in one.last for word in words) for name, one in LANGUAGES.items()}
    best = max(hits, key=lambda name: hits[name])
    return LANGUAGES[best] if hits[best] else None
