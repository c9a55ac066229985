"""The figures as one table, a column for each system."""

from typing import Any

from bench.conversation.figures import PARTS

Figures = dict[str, Any]


def show(title: str, systems: dict[str, Figures]) -> None:
    """Print the table."""
    rows = [("", *systems), *((name, *cells) for name, cells in _rows(list(systems.values())))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title}")
    for what, *cells in rows:
        shown = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        print(f"  {what:<{widths[0]}}  {shown}".rstrip())


def _rows(systems: list[Figures]) -> list[tuple[str, list[str]]]:
    rows = [row for part in ("tuning", "apart") for row in _of_turns(part, [one[part] for one in systems])]
    rows += [
        (f"{kind}: p50 / p95, cut-ins of turns", [_kind(one["by_kind"].get(kind)) for one in systems])
        for kind in dict.fromkeys(kind for one in systems for kind in one["by_kind"])
    ]
    return [
        *rows,
        *(
            (f"{part}, median", [_number((one["tuning"]["parts_s"] or {}).get(part), 3) for one in systems])
            for part in PARTS
        ),
        ("join → first sound, p50 / p95", [_pair(one["first_sound_s"]) for one in systems]),
        ("interrupted → silent, p50 / p95", [_pair(one["silent_after_interruption_s"]) for one in systems]),
        ("not to be interrupted", [str(one["not_interrupted"]) for one in systems]),
        ("had stopped before it was interrupted", [str(one["silent_before_interruption"]) for one in systems]),
        ("went on after mm-hm", [f"{one['went_on_after_agreement']} of {one['agreements']}" for one in systems]),
        (
            "longest silence after mm-hm",
            [_number(one["longest_gap_after_agreement_s"], 2) for one in systems],
        ),
        ("cores per call", [_number(one["cores_per_call"], 3) for one in systems]),
        ("memory per call, MB (PSS)", [_number(one["memory_mb_per_call"], 0) for one in systems]),
        *(
            (f"beside: cores of {name} per call", [_number(one["shared_cores_per_call"][name], 3) for one in systems])
            for name in systems[0]["shared_cores_per_call"]
        ),
    ]


def _of_turns(part: str, systems: list[Figures]) -> list[tuple[str, list[str]]]:
    name = {"tuning": "", "apart": "kept apart: "}[part]
    return [
        (f"{name}response, p50 / p95", [_pair(one["response_s"]) for one in systems]),
        (f"{name}to complete sentences, p50 / p95", [_pair(one["response_to_complete_s"]) for one in systems]),
        (f"{name}overhead over the providers, p50", [_number(one["overhead_s"], 2) for one in systems]),
        (f"{name}cut-ins", [f"{one['cut_ins']} of {one['turns']}" for one in systems]),
        (f"{name}turns answered", [f"{one['answered']} of {one['turns']}" for one in systems]),
        (f"{name}replies broken off or with holes", [str(one["flawed_replies"]) for one in systems]),
        (f"{name}model requests per turn", [_number(one["requests_per_turn"], 2) for one in systems]),
    ]


def _kind(figures: Figures | None) -> str:
    return "-" if figures is None else f"{_pair(figures['response_s'])}, {figures['cut_ins']} of {figures['turns']}"


def _pair(spread: dict[str, float] | None) -> str:
    return "-" if spread is None else f"{spread['p50']:.2f} / {spread['p95']:.2f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
