"""The few words that the worker itself knows: a yes, a no, what shows that one listens, begins a call or ends one."""

import re
from collections.abc import Collection, Iterable
from unicodedata import category

# Sounds that mean "go on" wherever they are made; recognisers write them in many ways: "mm-hm", "Mmh", "uh-huh".
_SOUNDS = r"(?:m+(?:h+m+)*h*|h+m+|a+h+(?:a+h+)*a*|o+h+|u+h+(?: ?h+u+h+)?|u+m+|[eäö]+h+m*)\b"
# Said while another speaks, these mean the same, and not "let me speak"; in other languages the model has named some.
_EVERYWHERE = ("ok", "okay", "o k")
_SIGNS = {
    "en": """yeah, yes, yep, yup, right, alright, all right, sure, i see, got it, gotcha, exactly, of course,
        absolutely, great, good, understood, makes sense""",
    "de": """ja, jaja, jo, jep, genau, klar, na klar, alles klar, gut, verstehe, ich verstehe, ach, ach so, achso,
        stimmt, richtig, natürlich, sicher, in ordnung, schön, super, prima, passt""",
    "es": """sí, si, claro, vale, ajá, aja, ya, ya veo, de acuerdo, está bien, bien, bueno, exacto, eso, entiendo,
        perfecto, por supuesto, correcto, cierto""",
    "fr": """oui, ouais, d'accord, bien, très bien, bien sûr, voilà, je vois, bon, ah bon, entendu, exactement,
        tout à fait, parfait, c'est ça, je comprends, compris, hum""",
    "it": """sì, si, certo, certamente, va bene, bene, benissimo, vabbè, giusto, esatto, capisco, capito, ho capito,
        ecco, già, chiaro, d'accordo, perfetto, ottimo, naturalmente, infatti, come no""",
}
# A yes or a no of other languages, and nothing else in any: who is asked for one may answer in the own language.
YES_ELSEWHERE = frozenset(
    re.findall(
        r"\S+",
        """
        sì sim tak da так да はい うん ええ نعم أجل ايوه بله آره evet bəli 是 是的 对 對 네 예 응 हाँ हां जी haan
        হ্যাঁ ہاں جی ஆம் అవును ใช่ vâng dạ có ya iya oo opo ndiyo כן ναι ano áno igen kyllä joo jo jah jā taip já
        """,
    ),
)
NO_ELSEWHERE = frozenset(
    re.findall(
        r"\S+",
        """
        não nao nie ні нет не いいえ ううん لا خیر نه hayır xeyr 不 不是 没有 沒有 不要 아니요 아니오 아니 नहीं nahin
        না نہیں இல்லை కాదు ไม่ ไม่ใช่ không tidak bukan hindi hapana לא όχι ne nem ei nej nei nee nē nu
        """,
    ),
)
STOPS = "。｡．।॥۔։።။។"  # at the end of a sentence, beside ".", in scripts that have their own;
CALLS = "！՜"  # what "!" is there,
ASKS = "？؟፧՞\u037e"  # and "?"
_SENTENCE = re.compile(rf".+?(?:[.!?…]+(?=\s|$)|[{STOPS}！？؟፧\u037e]+|$)", re.DOTALL)
_QUESTION = re.compile(rf"[?{ASKS}]|か[。｡]")
_GREEK = re.compile(r"[α-ωά-ώΑ-Ω]")
_HUM = re.compile(rf"(?:{_SOUNDS} ?)+")
_QUESTION_IN_GREEK = str.maketrans(";\u037e", "??")
_LONGEST = 60  # characters: who says more wants to say something
_VOWEL_SIGNS = ("Mn", "Mc")  # which are no letters to `\w`: "है" is another word than "हाँ"
_UNSPACED = "\u0e00"  # from Thai on, Unicode's scripts set no space between words
# Said into a first message, these ask for nothing: who says them has not heard it yet.
_HELLOS = frozenset(
    re.findall(
        r"\w+",
        """
        hello hi hey hiya howdy good morning afternoon evening there
        hallo hi servus moin grüezi guten morgen tag abend grüß gott
        hola buenas buenos días tardes noches diga dígame aló alo
        allo allô bonjour bonsoir salut coucou
        ciao salve pronto buongiorno buonasera olá oi alô bom dia boa tarde noite hoi goedemorgen goedenavond
        hej hei cześć halo dzień dobry ahoj szia helló merhaba алло алё привет здравствуйте もしもし 喂 你好 您好
        여보세요 안녕하세요
        """,
    ),
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


class Signs:
    """The signs of listening in a language: what only shows that its speaker listens ("mm-hm", "ja, genau").

    Args:
        language: a tag as `de-AT`; without one, and where we know no words of it, those of all languages that we know.
        named: more of them, in that language.
    """

    def __init__(self, language: str | None, named: Iterable[str] = ()) -> None:
        known = _SIGNS.get(re.split("[-_]", (language or "").lower())[0]) or ",".join(
            [*_SIGNS.values(), *YES_ELSEWHERE]
        )
        self._form = _form({*_EVERYWHERE, *map(_plain, known.split(",")), *map(_plain, named)} - {""})

    def are_all_of(self, text: str) -> bool:
        """Whether there is nothing else in `text`."""
        plain = _plain(text)
        return len(plain) <= _LONGEST and self._form.fullmatch(plain) is not None


def last_question(text: str) -> range | None:
    """Where in `text` the last sentence is that asks something; None if none does."""
    asking = [one for one in _SENTENCE.finditer(with_question_marks(text)) if _QUESTION.search(one[0])]
    return range(*asking[-1].span()) if asking else None


def with_question_marks(text: str) -> str:
    """The same, in which a question ends as elsewhere if it is Greek: there it ends in what looks like a semicolon."""
    return text.translate(_QUESTION_IN_GREEK) if _GREEK.search(text) else text


def is_hum(text: str) -> bool:
    """Whether `text` is a sound and no word: "mm-hm", "uh-huh"."""
    return _HUM.fullmatch(_plain(text)) is not None


def is_hello(text: str) -> bool:
    """Whether `text` only begins a conversation: "hello?", "ja, guten Tag"."""
    return all(word in _HELLOS or _OF_ALL.are_all_of(word) for word in re.findall(r"\w+", text.lower()))


def is_parting(text: str) -> bool:
    """Whether `text`, said to a goodbye, leaves it at that: "okay, bye", "danke, tschüss", or a sign of listening."""
    return all(word in _PARTINGS or _OF_ALL.are_all_of(word) for word in re.findall(r"\w+", text.lower()))


def _plain(text: str) -> str:
    """In small letters, with single spaces and no marks: "D'accord." is `daccord`, "Mm-hm" is `mm hm`."""
    words = (
        sign if sign.isalnum() or category(sign) in _VOWEL_SIGNS else " "
        for sign in text.casefold()
        if sign not in "'’"
    )
    return " ".join("".join(words).split())


def _form(signs: Collection[str]) -> re.Pattern[str]:
    longest_first = sorted(signs, key=len, reverse=True)
    alternatives = "|".join(re.escape(sign) + (r"(?!\w)" if sign[-1] < _UNSPACED else "") for sign in longest_first)
    return re.compile(rf"(?:(?>{_SOUNDS}|{alternatives}) ?)+")


_OF_ALL = Signs(None)
