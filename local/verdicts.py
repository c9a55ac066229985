"""Callroom's judgement of an agent says what its reasoning says: the tiny model itself praises everything."""

import re

from local.schemas import Schema, is_share, tenths

NAME = "evaluation"  # under which Callroom asks for it; what others ask for under any name is theirs

_NOT = r"\b(?:no|not|never)\b|n['’]t\b"
# "No trouble", "did not have any problems", "never failed", "not only polite".
_PRAISE = re.compile(
    rf"(?:{_NOT}|\bwithout\b)\s+(?:(?:an?|any|have|had|having|make|made|cause|caused|run|into|be|been|once|at|all)\s+)*"
    r"(?:troubles?|problems?|issues?|difficult(?:y|ies)|mistakes?|errors?|complaints?|doubts?"
    r"|fail(?:s|ed|ure|ures)?|rude|impolite|unhelpful|unfriendly|unable|only(?!\s+(?:rude|im|un)))\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(rf"{_NOT}|\b(?:fail(?:s|ed)?|unable|unhelpful)\b", re.IGNORECASE)
_BEHIND = (["passed"], ["passed", "score"])


def agreeing(schema: Schema) -> Schema:
    """The schema with each verdict as good or bad as its answered `reasoning` sounds.

    A verdict is `passed`, or `passed` and `score`, right behind the reasoning, and nothing behind that.
    """
    properties = {
        name: agreeing(part) if isinstance(part, dict) else part for name, part in schema.get("properties", {}).items()
    }
    names = list(properties)
    behind = names[names.index("reasoning") + 1 :] if "reasoning" in names else []
    match properties.get("reasoning"):
        case {"const": str(answer)} if behind in _BEHIND:
            denies = _DENIAL.search(_PRAISE.sub("", answer)) is not None
            properties |= {name: _agreeing(properties[name], denies=denies) for name in behind}
    return {**schema, "properties": properties} if properties else schema


def _agreeing(part: object, *, denies: bool) -> object:
    if part == {"type": "boolean"}:
        return {"type": "boolean", "const": not denies}
    if isinstance(part, dict) and is_share(part):
        return {**part, "enum": [tenth for tenth in tenths(part) if (tenth < part["minimum"] + 0.5) == denies]}
    return part
