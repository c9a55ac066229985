"""`GET /v1/usage`: what calls came to, by day and agent."""

from datetime import date
from typing import Any

from aiohttp import web

from api.routing import DATABASE, KEY, reply
from api.schema.usage import MOST_DAYS, Answers, Usage, UsageFigures, UsageGroup, UsageQuery
from calls import usage
from calls.database.clock import moment
from calls.errors import Invalid

MICROS_PER_DOLLAR = 1_000_000
SECONDS_PER_MINUTE = 60
DAYS = 30  # unless said
COLUMNS = {"day": "day", "agent": "agent_id"}


async def get(request: web.Request, query: UsageQuery) -> web.Response:
    by = [column for name, column in COLUMNS.items() if name in query.group_by]
    async with request.app[DATABASE].reading() as conn:
        first, last = _days(query, moment(conn).date())
        groups = await usage.read_usage(conn, request[KEY].tenant_id, first, last, agent_id=query.agent_id, by=by)
    nothing = dict.fromkeys(COLUMNS.values())
    shown = [
        UsageGroup(**{**nothing, **dict(zip(by, key, strict=True))}, **_figures(figures))
        for key, figures in groups.items()
    ]
    whole = UsageFigures(**_figures(usage.total(groups.values())))
    return reply(Usage(from_day=first, to_day=last, total=whole, groups=shown))


def _days(query: UsageQuery, today: date) -> tuple[date, date]:
    last = query.to_day or today
    first = query.from_day or date.fromordinal(max(last.toordinal() - DAYS + 1, 1))
    if not 0 <= (last - first).days < MOST_DAYS:
        raise Invalid.field("from_day", f"expected a day before to_day, and at most {MOST_DAYS} days in all")
    return first, last


def _figures(figures: usage.Figures) -> dict[str, Any]:
    return {
        "calls": figures.calls,
        "completed": figures.completed,
        "failed": figures.failures.total(),
        "failures": {reason: count for reason, count in sorted(figures.failures.items()) if count},
        "minutes": round(figures.seconds / SECONDS_PER_MINUTE, 2),
        "cost": figures.cost_micros / MICROS_PER_DOLLAR,
        "answers": Answers(
            count=figures.answers.total(), p50_ms=figures.percentile_ms(0.5), p95_ms=figures.percentile_ms(0.95)
        ),
    }
