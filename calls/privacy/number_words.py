"""The numbers from 0 to 999 as they are said in English, German, Spanish and French, each digit by digit as well.

"Eight hundred five" is two of them, 800 and 5: it may be 805, but who reads a long number means the digits.
"""

from collections.abc import Mapping


def _with_hundreds(words: Mapping[str, str], hundreds: Mapping[str, str], *links: str) -> dict[str, str]:
    """Each of the hundreds, given by its digit, alone and with what may stand behind it."""
    behind = {
        f"{link}{word}": f"{digits:0>2}"
        for link in links
        for word, digits in words.items()
        if len(digits) > 1 or not link  # in one word it is one number
    }
    return {
        f"{hundred}{word}": f"{digit}{digits}"
        for hundred, digit in hundreds.items()
        for word, digits in ({"": "00"} | behind).items()
    }


def _english() -> dict[str, str]:
    ones = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    teens = [
        *("ten", "eleven", "twelve", "thirteen", "fourteen"),
        *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
    ]
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    words = {"zero": "0", "oh": "0", "o": "0", "nought": "0"}
    words |= {word: str(number) for number, word in enumerate([*ones, *teens], 1)}
    for ten, word in enumerate(tens, 2):
        words[word] = f"{ten}0"
        words |= {f"{word} {one}": f"{ten}{digit}" for digit, one in enumerate(ones, 1)}
    hundreds = {f"{one} hundred": str(digit) for digit, one in enumerate(ones, 1)}
    return words | _with_hundreds(words, hundreds, " ", " and ")


def _german() -> dict[str, str]:
    ones = ["ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
    teens = [
        *("zehn", "elf", "zwölf", "dreizehn", "vierzehn"),
        *("fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn"),
    ]
    tens = ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
    words = {"null": "0", "eins": "1", "zwo": "2"}
    words |= {word: str(number) for number, word in enumerate([*ones, *teens], 1)}
    for ten, word in enumerate(tens, 2):
        words[word] = f"{ten}0"
        for digit, one in enumerate(ones, 1):
            words |= {f"{one}und{word}": f"{ten}{digit}", f"{one} und {word}": f"{ten}{digit}"}
    hundreds = {"hundert": "1"} | {f"{one}hundert": str(digit) for digit, one in enumerate(ones, 1)}
    words |= _with_hundreds(words, hundreds, "", " ")
    swiss = {word.replace("ß", "ss"): digits for word, digits in words.items()}
    return words | swiss | {word.replace("ü", "ue").replace("ö", "oe"): digits for word, digits in swiss.items()}


def _spanish() -> dict[str, str]:
    ones = ["uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"]
    teens = [
        *("diez", "once", "doce", "trece", "catorce"),
        *("quince", "dieciséis", "diecisiete", "dieciocho", "diecinueve"),
    ]
    twenties = [
        *("veinte", "veintiuno", "veintidós", "veintitrés"),
        *("veinticuatro", "veinticinco", "veintiséis", "veintisiete", "veintiocho"),
    ]
    tens = ["treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"]
    words = {"cero": "0", "un": "1", "una": "1"}
    words |= {word: str(number) for number, word in enumerate([*ones, *teens, *twenties, "veintinueve"], 1)}
    for ten, word in enumerate(tens, 3):
        words[word] = f"{ten}0"
        words |= {f"{word} y {one}": f"{ten}{digit}" for digit, one in enumerate(ones, 1)}
    stems = ["dosc", "tresc", "cuatroc", "quin", "seisc", "setec", "ochoc", "novec"]
    hundreds = {"cien": "1", "ciento": "1"}
    hundreds |= {f"{stem}ient{end}": str(digit) for digit, stem in enumerate(stems, 2) for end in ("os", "as")}
    words |= _with_hundreds(words, hundreds, " ")
    plain = str.maketrans("áéíóú", "aeiou")
    return words | {word.translate(plain): digits for word, digits in words.items()}


def _french() -> dict[str, str]:
    ones = ["un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]
    teens = ["dix", "onze", "douze", "treize", "quatorze", "quinze", "seize", "dix sept", "dix huit", "dix neuf"]
    words = {"zéro": "0", "zero": "0", "une": "1"}
    words |= {word: str(number) for number, word in enumerate([*ones, *teens], 1)}
    tens = {
        2: "vingt",
        3: "trente",
        4: "quarante",
        5: "cinquante",
        6: "soixante",
        7: "septante",
        8: "huitante",
        9: "nonante",
    }
    tens_and_more = [*tens.items(), (8, "quatre vingt")]
    for ten, word in tens_and_more:
        words[word] = f"{ten}0"
        words |= {f"{word} {one}": f"{ten}{digit}" for digit, one in enumerate(ones, 1)}
        words[f"{word} et un"] = f"{ten}1"
    for ten, word in ((7, "soixante"), (9, "quatre vingt")):
        words |= {f"{word} {teen}": f"{ten}{digit}" for digit, teen in enumerate(teens)}
    words |= {"quatre vingts": "80", "soixante et onze": "71"}
    hundreds = {"cent": "1"}
    hundreds |= {f"{one} {cent}": str(digit) for digit, one in enumerate(ones[1:], 2) for cent in ("cent", "cents")}
    return words | _with_hundreds(words, hundreds, " ")


def _words(numbers: Mapping[str, str]) -> frozenset[str]:
    return frozenset(word for said in numbers for word in said.split())


ENGLISH, SPANISH = _words(_english()), _words(_spanish())

# A number's words -> its digits.
NUMBERS = {tuple(said.split()): digits for said, digits in (_english() | _german() | _spanish() | _french()).items()}
