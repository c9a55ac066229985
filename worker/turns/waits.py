"""What asks for time: who says "one moment, please" looks something up, who says "let's see" thinks, and goes on."""

import re

_BEFORE = r"""um uh er so oh ah well no yes yeah yep ok okay alright sure sorry please just right
    äh ähm ach ja gut nein entschuldigung bitte eh sí bueno vale perdón por|favor solo sólo
    euh ah oui bon non pardon d'accord alors juste"""
_AFTER = r"""please now here quickly there bitte mal kurz eben gleich noch da por|favor aquí
    s'il|vous|plaît s'il|te|plaît svp"""


def _any(words: str) -> str:
    """One of them, each with spaces where it has `|`."""
    return f"(?:{'|'.join(re.escape(word.replace('|', ' ')) for word in words.split())})"


_FORMS = (
    # English
    (
        r"((can|could|would|will) you )?(just |please )?(wait|hold on|hang on|hold the line|bear with me|stand by)"
        r"( (for )?(just )?(a|one|half a) (little )?(moment|second|sec|minute|bit))?"
    ),
    r"please hold",
    r"((give me|i need) )?(just )?(a|one|half a) (quick )?(moment|second|sec|minute)",
    (
        r"(let me|i'll|i will|i need to|i have to|i must)( just| quickly)?( go( and)?)? (check|look|think|see|"
        r"(have|take) a (quick )?look|(check|find|get|grab|fetch|look for) (it|that|this|them|one)|"
        r"look (it|that|them) up)"
    ),
    r"i'm (just )?(looking( (it up|for it))?|checking)",
    # German
    (
        r"(warten sie|warte|wart|bleiben sie dran|bleib dran)( mal| bitte| kurz| doch)*"
        r"( (einen|eine|nen|ne) (moment|augenblick|sekunde|minute))?"
    ),
    (
        r"((geben sie|gib) mir )?(nur |noch )?((einen|eine|ein|nen|ne) )?(kurzen |kleinen )?"
        r"(moment|momentchen|augenblick|sekunde|sekündchen|minute)"
    ),
    (
        r"(lassen sie mich|lass mich|ich muss|da muss ich)( das| es| mal| kurz| eben| schnell| erst)* "
        r"(nachsehen|nachschauen|schauen|sehen|gucken|nachgucken|überlegen|nachdenken|suchen|holen|prüfen)"
    ),
    (
        r"ich (schau|schaue|seh|sehe|guck|gucke|such|suche|hol|hole|überleg|überlege)( das| es| sie| ihn)?"
        r"( mal| kurz| eben| schnell| gleich)+( nach| raus| heraus)?"
    ),
    r"mal (sehen|schauen|gucken|überlegen)",
    # Spanish
    (
        r"(espere|espera|espéreme|espérame|espérate|aguarde|aguarda|no cuelgue|no cuelgues)"
        r"( (solo |sólo )?(un|una) (momento|momentito|segundo|segundito|minuto|minutito|instante|poco))?"
    ),
    r"((deme|déme|dame|me da|permítame) )?una? (momento|momentito|segundo|segundito|minuto|minutito|instante)",
    r"(déjeme|déjame|permítame|voy a|tengo que|a) (ver|mirar|pensar|comprobar|revisar|buscar|consultar)(l[oa]s?)?",
    r"(ahora )?(lo|la) (miro|busco|compruebo|reviso)",
    # French
    (
        r"(attendez|attends|patientez|ne quittez pas|ne quitte pas|ne raccrochez pas)( voir)?"
        r"( (juste )?(un|une) (petit |petite )?(instant|moment|seconde|minute|peu))?"
    ),
    r"((donnez-moi|donne-moi|laissez-moi) )?(un|une) (petit |petite )?(instant|moment|seconde|minute)",
    r"(laissez-moi|laisse-moi|je vais|je dois)( le| la| les)? (regarder|vérifier|voir|réfléchir|chercher)",
    r"(je|que je)( le| la)? (regarde|vérifie|réfléchis|cherche)",
)
# All of a sentence: "I am well" is none.
_THOUGHTS = r"""well well|then let's|see let's|see|now let's|see|then let's|think
    tja naja na|ja nun nun|ja also ja|also ja|nun schauen|wir|mal sehen|wir|mal lass|mal|sehen lass|mal|überlegen
    pues veamos vamos|a|ver déjame|pensar
    alors eh|bien eh|ben bon|ben voyons voyons|voir"""
_SO = r"so and well now um uh er ok okay yes no und ja nein äh ähm y sí bueno et oui non bon euh"
_HUM = r"m{3,}|hum|(?:(?!.*\b[mhu]+ \w+$).* )?h+m+"  # behind another one it is an answer: "mm hm"
_WAIT = re.compile(rf"(?:{_any(_BEFORE)} )*(?:{'|'.join(_FORMS)})(?: {_any(_AFTER)})*")
_THINKS = re.compile(rf"{_HUM}|(?:(?:{_any(_SO)}|h+m+) )*{_any(_THOUGHTS)}")
_CALLS = re.compile(r"[?!]\W*$")
_POLITE = re.compile(rf"{_any(_AFTER)}(?: {_any(_AFTER)})*")


def asks_to_wait(text: str) -> bool:
    """Whether a text ends with such a request, in any language that we know: "Yes. Let me check.", "Moment, bitte"."""
    clauses = _clauses(text)
    while clauses and _POLITE.fullmatch(clauses[-1]):
        clauses.pop()
    return bool(clauses) and _WAIT.fullmatch(clauses[-1]) is not None


def thinks_aloud(text: str) -> bool:
    """Whether a text ends with what is said while one thinks: "Hmm.", "Yes. Let's see."; "hmm?" asks something."""
    clauses = _clauses(text)
    return bool(clauses) and _THINKS.fullmatch(clauses[-1]) is not None and not _CALLS.search(text)


def _clauses(text: str) -> list[str]:
    clauses = (" ".join(clause.split()) for clause in re.split(r"[.,;:!?¡¿…]", text.lower().replace("’", "'")))
    return [clause for clause in clauses if clause]
