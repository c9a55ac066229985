"""Imported once before any call: what a job process would else import, open or compute while a caller waits."""

import aiosqlite
import asyncpg
import sqlalchemy.dialects.postgresql.asyncpg
import sqlalchemy.dialects.sqlite.aiosqlite

import worker.server

__all__ = ["aiosqlite", "asyncpg", "sqlalchemy", "worker"]
