"""The tables of what was taught.

``classes`` has the number and the sum of the features of each class; ``sums`` the Gram matrix of all pictures but those
in ``unsummed``, which came or went since it was written: it is large, and a memory card wears out with every write.
"""

from __future__ import annotations

from mixer_edge.kept.database import Database

_UNSUMMED = "CREATE TABLE unsummed (sign INTEGER, features BLOB)"

TAUGHT = Database(
    file="taught.sqlite",
    tables=f"""
CREATE TABLE extractor (name TEXT, variant TEXT, file_sha256 TEXT, preprocess TEXT);
CREATE TABLE classes (id INTEGER PRIMARY KEY, name TEXT UNIQUE, pictures INTEGER, sum BLOB);
CREATE TABLE pictures (id INTEGER PRIMARY KEY, class INTEGER, file TEXT UNIQUE, name TEXT, digest TEXT, features BLOB);
CREATE INDEX by_digest ON pictures (digest);
CREATE INDEX by_class ON pictures (class);
CREATE TABLE sums (gram BLOB, removed INTEGER);
CREATE TABLE head (kernel BLOB, bias BLOB, temperature REAL, threshold REAL, refused REAL);
{_UNSUMMED};
""",
    upgrades=(_UNSUMMED,),
    remedy="move the folder away and teach its pictures again",
)
