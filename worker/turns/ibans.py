"""How many letters and digits an IBAN has: by its country's two letters (ISO 13616)."""

import re

_SHORTEST, _LONGEST = 15, 34
_CERTAIN = 8  # so many begin no flight's number and no other that has two letters
_OF_COUNTRIES = {
    entry[:2]: int(entry[2:])
    for entry in re.findall(
        r"\w+",
        """
        AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29
        ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20
        LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29
        PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
        YE30
        """,
    )
}


def iban_length(signs: str, *, is_announced: bool) -> tuple[int, int] | None:
    """How many letters and digits it has, at least and at most; None if it is no IBAN.

    Args:
        signs: what was said of it; "0" is any digit.
        is_announced: whether it is an IBAN without doubt.
    """
    length = _OF_COUNTRIES.get(signs[:2])
    if length is not None and (is_announced or (len(signs) >= _CERTAIN and signs[2:4].isdigit())):
        return length, length
    return (_SHORTEST, _LONGEST) if is_announced else None
