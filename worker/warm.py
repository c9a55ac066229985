"""Imported once, before any call: what a job process would else import while a caller waits."""

import aiosqlite
import anyio._backends._asyncio
import asyncpg
import openai.lib.streaming.chat
import sqlalchemy.dialects.postgresql.asyncpg
import sqlalchemy.dialects.sqlite.aiosqlite

import worker.server

__all__ = ["aiosqlite", "anyio", "asyncpg", "openai", "sqlalchemy", "worker"]
