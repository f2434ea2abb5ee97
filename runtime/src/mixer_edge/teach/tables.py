"""The tables of what was taught."""

from __future__ import annotations

from mixer_edge.kept.database import Database

TAUGHT = Database(
    file="taught.sqlite",
    version=1,
    tables="""
CREATE TABLE extractor (name TEXT, variant TEXT, file_sha256 TEXT, preprocess TEXT);
CREATE TABLE classes (id INTEGER PRIMARY KEY, name TEXT UNIQUE, pictures INTEGER, sum BLOB);
CREATE TABLE pictures (id INTEGER PRIMARY KEY, class INTEGER, file TEXT UNIQUE, name TEXT, digest TEXT, features BLOB);
CREATE INDEX by_digest ON pictures (digest);
CREATE INDEX by_class ON pictures (class);
CREATE TABLE sums (gram BLOB, removed INTEGER);
CREATE TABLE head (kernel BLOB, bias BLOB, temperature REAL, threshold REAL, refused REAL);
""",
    remedy="move the folder away and teach its pictures again",
)
