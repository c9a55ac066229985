"""Every table. Ids are UUID strings; events and jobs are numbered in the order in which they were written."""

from calls.tables.agent import agent_changes, agents, tool_secrets
from calls.tables.analysis import generations, notes, results
from calls.tables.call import (
    LEFT_LINE,
    ON_LINE,
    RECORDING_KEPT,
    TRANSCRIPT_KEPT,
    WAITS,
    batches,
    call_counts,
    calls,
    participants,
    stays,
)
from calls.tables.columns import Json, Number, UtcDateTime, Uuid, metadata
from calls.tables.phone import dnc, numbers, telephony, trunks
from calls.tables.recording import egresses, recording_pieces, recordings
from calls.tables.request import idempotency_keys, rate_windows
from calls.tables.sharing import share_calls, share_links, share_visits
from calls.tables.tenant import api_keys, sessions, tenants
from calls.tables.transcript import PRESSED, call_events, segments, tool_calls, turns, unindexed
from calls.tables.usage import answer_times, usage
from calls.tables.webhook import deliveries, webhooks
from calls.tables.work import jobs, leases, processes, workers

__all__ = [
    "LEFT_LINE",
    "ON_LINE",
    "PRESSED",
    "RECORDING_KEPT",
    "TRANSCRIPT_KEPT",
    "WAITS",
    "Json",
    "Number",
    "UtcDateTime",
    "Uuid",
    "agent_changes",
    "agents",
    "answer_times",
    "api_keys",
    "batches",
    "call_counts",
    "call_events",
    "calls",
    "deliveries",
    "dnc",
    "egresses",
    "generations",
    "idempotency_keys",
    "jobs",
    "leases",
    "metadata",
    "notes",
    "numbers",
    "participants",
    "processes",
    "rate_windows",
    "recording_pieces",
    "recordings",
    "results",
    "segments",
    "sessions",
    "share_calls",
    "share_links",
    "share_visits",
    "stays",
    "telephony",
    "tenants",
    "tool_calls",
    "tool_secrets",
    "trunks",
    "turns",
    "unindexed",
    "usage",
    "webhooks",
    "workers",
]
