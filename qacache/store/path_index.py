"""The index of paths: which files may have a text in their paths, without a look at every path.

In: rows of `file`, as the triggers of the schema note them in `unindexed`. Out: the trigrams of their paths in
`path_trigram`, an FTS5 table without contents of its own, and what looks them up. It may name files that are gone, or
that lack the text, but leaves none out: what is not in it yet is in `unindexed`. Where SQLite was built without FTS5,
that is all of them.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATH_TEXT = "coalesce(file.path_text, CAST(coalesce(file.nfc_path, file.path) AS TEXT))"
"""The SQL of a path as text, in Unicode form NFC where the path is UTF-8: what is indexed."""

CANDIDATES = "SELECT rowid FROM path_trigram WHERE path_trigram MATCH ? UNION ALL SELECT file_id FROM unindexed"
"""The query for the ids of files that may fit the expression `match_of` made; the index has to be usable."""

BATCH = 5000
"""How many paths are best indexed at a time: in a twentieth of a second."""

_LENGTH = 3
# more of them find hardly less
_MOST_TRIGRAMS = 12
# FTS5 takes no expressions of hundreds of parts
_MOST_ALTERNATIVES = 20
# Latin, Greek and Cyrillic letters: those of which any release of FTS5 knows both cases
_LAST_KNOWN_LETTER = "\u052f"


def is_usable(connection: sqlite3.Connection) -> bool:
    """Whether there is an index, and this SQLite can use it."""
    try:
        connection.execute("SELECT 1 FROM path_trigram LIMIT 0")
    except sqlite3.OperationalError:
        return False
    return True


def is_due(connection: sqlite3.Connection) -> bool:
    """Whether there is a whole batch of paths to index."""
    return connection.execute(f"SELECT 1 FROM unindexed LIMIT 1 OFFSET {BATCH - 1}").fetchone() is not None


def index_batch(connection: sqlite3.Connection) -> bool:
    """Index a batch of paths, within the transaction that is open; return whether there was any, and an FTS5."""
    if not _make(connection):
        return False
    chosen = f"SELECT file_id FROM unindexed ORDER BY file_id LIMIT {BATCH}"
    connection.execute(
        f"INSERT INTO path_trigram (rowid, path) SELECT file.id, {PATH_TEXT} FROM file WHERE file.id IN ({chosen})"
    )
    return connection.execute(f"DELETE FROM unindexed WHERE file_id IN ({chosen})").rowcount > 0


def forget(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Take files that are about to be deleted out of the index, within the transaction that is open."""
    # no trigger does it: those of a schema that is not trusted may not use virtual tables
    if is_usable(connection):
        connection.execute(
            f"INSERT INTO path_trigram (path_trigram, rowid, path) SELECT 'delete', file.id, {PATH_TEXT} FROM file "
            f"WHERE file.id IN ({','.join('?' * len(ids))}) AND file.id NOT IN (SELECT file_id FROM unindexed)",
            ids,
        )


def fold(text: str) -> str:
    """Return `text` in one case, letter by letter: as many as there were."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


def match_of(groups: Sequence[Sequence[Sequence[str]]]) -> str | None:
    """Return the FTS5 expression that finds what is in `groups`, None where trigrams cannot.

    A group is a list of alternatives, each of them texts that `fold` made; of each group one fits, with all its texts.
    """
    wanted = []
    for alternatives in groups:
        found = [sorted({trigram for text in texts for trigram in _trigrams(text)}) for texts in alternatives]
        if all(found) and len(found) <= _MOST_ALTERNATIVES:
            wanted.append(" OR ".join(f"({' AND '.join(trigrams)})" for trigrams in found))
    return " AND ".join(f"({each})" for each in wanted) or None


def _make(connection: sqlite3.Connection) -> bool:
    """Make the index where there is none; return whether it can be used."""
    # a store that was made where there is no FTS5 may come to where there is
    with suppress(sqlite3.OperationalError):
        connection.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS path_trigram\n"
            "    USING fts5 (path, content = '', columnsize = 0, detail = none, tokenize = 'trigram')"
        )
    return is_usable(connection)


def _trigrams(text: str) -> Iterator[str]:
    """Yield what has to be in the index for `text`, each as a phrase."""
    starts = range(len(text) - _LENGTH + 1)
    # of a long text, those that share no letters tell as much
    step = 1 if len(starts) <= _MOST_TRIGRAMS else _LENGTH
    for start in starts[::step][:_MOST_TRIGRAMS]:
        trigram = text[start : start + _LENGTH]
        if all(map(_is_known, trigram)):
            quoted = trigram.replace('"', '""')
            yield f'"{quoted}"'


def _is_known(letter: str) -> bool:
    return letter <= _LAST_KNOWN_LETTER or letter.lower() == letter.upper()


def _folded(letter: str) -> str:
    folded = letter.casefold()
    # what SQLite takes for other letters than ASCII ones stays so: the sign for Kelvin is no k
    is_same_kind = len(folded) == 1 and folded.isascii() == letter.isascii()
    return folded if is_same_kind else letter
