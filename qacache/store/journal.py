"""The journal: what changed in the library, by the scan that noticed.

In: what the store knew of a file, and what it knows now, on the connection and in the transaction of a `Writer`. Out:
rows of the table `change`. A file that comes is `added` and one that goes `removed`, until the end of the scan tells
which of them were one: a move, where exactly one file that went has the content of exactly one that came; a new
encoding, where a file of the same name but for its extension, and of the same length, stands in the place of another.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

# Of one recording, two encodings differ in length by padding: a hundredth of it, but not by much.
_PADDING_SHARE = 0.01
_LEAST_PADDING_S = 0.1
_MOST_PADDING_S = 1.0


class Version(NamedTuple):
    """What the journal keeps of a file at one time; `size` is in bytes, and None of no file at all."""

    size: int | None = None
    digest: bytes | None = None
    video_codec: str | None = None
    duration_s: float | None = None


NO_FILE = Version()


def stored_version(connection: sqlite3.Connection, path: bytes) -> Version:
    """Return what the store knows of the file at `path`; its size is None where it is not there."""
    row = connection.execute(
        "SELECT status = 'vanished', size, digest, video_codec, duration_s "
        "FROM file LEFT JOIN media ON media.file_id = file.id WHERE path = ?",
        (path,),
    ).fetchone()
    if row is None:
        return NO_FILE
    has_vanished, *version = row
    # of a file that comes back it is known what it was
    return Version(None, *version[1:]) if has_vanished else Version(*version)


def record(
    connection: sqlite3.Connection, scan_id: int | None, now_ms: int, path: bytes, before: Version, after: Version
) -> None:
    """Note that the file at `path` came, went, or has other content now; nothing where that is not so.

    What is found outside of a scan (`scan_id` is None) counts as the next one's.
    """
    kind = _kind(before, after)
    if kind is not None:
        connection.execute(
            "INSERT INTO change (scan_id, kind, path, path_key, path_text, changed_ms, size_before, digest_before, "
            "codec_before, duration_before_s, size_after, digest_after, codec_after, duration_after_s) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (scan_id, kind, path, path_key(path), text_if_no_utf8(path), now_ms, *before, *after),
        )


def path_key(path: bytes) -> int:
    """Return the number by which changes at `path` are looked up: few paths share one, and it takes 4 bytes."""
    return zlib.crc32(path) - (1 << 31)


def text_if_no_utf8(path: bytes) -> str | None:
    """Return `path` with replacement characters where it is no UTF-8, None where it is."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return path.decode(errors="replace")
    return None


def begin(connection: sqlite3.Connection, scan_id: int) -> None:
    """Give a scan that begins the changes that were found since the last one."""
    connection.execute("UPDATE change SET scan_id = ? WHERE scan_id IS NULL", (scan_id,))


class Pair(NamedTuple):
    """Two changes that are one: the row of the file that went, and that of the one that came.

    Of an encoding that was there before the other went there is no second row, and of a file that went in an earlier
    scan no first one.
    """

    kind: Literal["moved", "re-encoded"]
    old_path: bytes
    new_path: bytes
    went_id: int | None
    came_id: int | None


def pairs(connection: sqlite3.Connection, scan_id: int) -> list[Pair]:
    """Return which of the files that came and went in a scan were one."""
    moved = [*_arrivals(connection, scan_id)]
    told = {pair.went_id for pair in moved}
    moved += [pair for pair in _departures(connection, scan_id) if pair.went_id not in told]
    told |= {pair.went_id for pair in moved}
    return moved + [pair for pair in _new_encodings(connection, scan_id) if pair.went_id not in told]


def join(connection: sqlite3.Connection, pair: Pair) -> None:
    """Make one change of two; nothing happens where that was done already."""
    if pair.kind == "moved":
        _join_move(connection, pair)
    else:
        _join_encoding(connection, pair)


def count(connection: sqlite3.Connection, scan_id: int) -> dict[str, int]:
    """Return how many changes of each kind a scan found."""
    return dict(
        connection.execute("SELECT kind, count(*) FROM change WHERE scan_id = ? GROUP BY kind", (scan_id,)).fetchall()
    )


def _kind(before: Version, after: Version) -> str | None:
    if before.size is None:
        return None if after.size is None else "added"
    if after.size is None:
        return "removed"
    # content that could not be read, before or now, is taken for the same where the size is
    is_same_content = before.digest == after.digest or None in (before.digest, after.digest)
    if before.size == after.size and is_same_content:
        return None
    return "re-encoded" if _is_new_encoding(before, after) else "replaced"


def _is_new_encoding(before: Version, after: Version) -> bool:
    """Whether both may be the same recording: about as long as each other, but not of the same codec and size."""
    if before.duration_s is None or after.duration_s is None:
        return False
    if (before.video_codec, before.size) == (after.video_codec, after.size):
        return False
    allowed_s = min(_MOST_PADDING_S, max(_LEAST_PADDING_S, _PADDING_SHARE * before.duration_s))
    return abs(before.duration_s - after.duration_s) <= allowed_s


def _arrivals(connection: sqlite3.Connection, scan_id: int) -> list[Pair]:
    """Return the moves of files that came in this scan: each the only one of its content, as is the one that went."""
    if connection.execute("SELECT 1 FROM file WHERE status <> 'ok' AND status = 'vanished' LIMIT 1").fetchone() is None:
        return []
    came = connection.execute(
        "SELECT min(id), path, digest_after, size_after, digest_after IS digest_before FROM change "
        "WHERE scan_id = ? AND kind = 'added' AND digest_after IS NOT NULL AND size_after > 0 "
        "GROUP BY digest_after, size_after HAVING count(*) = 1",
        (scan_id,),
    )
    found = []
    for came_id, new_path, digest, size, was_there_before in came:
        went = _gone_of_content(connection, digest, size)
        if len(went) != 1 or _there_of_content(connection, digest, size) != [new_path]:
            continue
        # the plus keeps SQLite from going through all changes of the scan
        went_id = connection.execute(
            "SELECT max(id) FROM change WHERE +scan_id = ? AND +kind = 'removed' AND path_key = ? AND path = ?",
            (scan_id, path_key(went[0]), went[0]),
        ).fetchone()[0]
        # what came back to where it was, from the trash perhaps, is not another that went long ago
        if went_id is not None or not was_there_before:
            found.append(Pair("moved", went[0], new_path, went_id, came_id))
    return found


def _departures(connection: sqlite3.Connection, scan_id: int) -> list[Pair]:
    """Return the moves of files that went in this scan, to where an earlier one that did not see them found them."""
    gone = connection.execute(
        "SELECT id, path, digest_before, size_before FROM change "
        "WHERE scan_id = ? AND kind = 'removed' AND digest_before IS NOT NULL AND size_before > 0",
        (scan_id,),
    )
    found = []
    for went_id, old_path, digest, size in gone:
        there = _there_of_content(connection, digest, size)
        if len(there) != 1 or _gone_of_content(connection, digest, size) != [old_path]:
            continue
        came = connection.execute(
            "SELECT change.id FROM change JOIN scan ON scan.id = change.scan_id "
            "WHERE path_key = ? AND change.path = ? AND kind = 'added' AND digest_after = ? "
            "AND digest_after IS NOT digest_before "
            "AND change.scan_id < ? AND started_ms > (SELECT last_seen_ms FROM file WHERE path = ?) "
            "ORDER BY change.id DESC LIMIT 1",
            (path_key(there[0]), there[0], digest, scan_id, old_path),
        ).fetchone()
        if came:
            found.append(Pair("moved", old_path, there[0], went_id, came[0]))
    return found


def _there_of_content(connection: sqlite3.Connection, digest: bytes, size: int) -> list[bytes]:
    """Return up to two files of that content that are there."""
    # the plus keeps SQLite from looking by size, which many files may share
    rows = connection.execute(
        "SELECT path FROM file WHERE digest = ? AND digest IS NOT NULL AND +size = ? AND status <> 'vanished' LIMIT 2",
        (digest, size),
    )
    return [path for (path,) in rows]


def _gone_of_content(connection: sqlite3.Connection, digest: bytes, size: int) -> list[bytes]:
    """Return up to two files of that content that are gone, and of which it is not known where they are now."""
    rows = connection.execute(
        "SELECT path FROM file WHERE digest = ? AND digest IS NOT NULL AND +size = ? AND +status = 'vanished' "
        "AND NOT EXISTS (SELECT 1 FROM change WHERE from_path = file.path AND kind = 'moved' "
        "AND changed_ms >= file.last_seen_ms) LIMIT 2",
        (digest, size),
    )
    return [path for (path,) in rows]


def _join_move(connection: sqlite3.Connection, pair: Pair) -> None:
    connection.execute(
        "UPDATE change SET kind = 'moved', from_path = ?, from_path_text = ?, "
        "size_before = size_after, digest_before = digest_after, "
        "codec_before = codec_after, duration_before_s = duration_after_s WHERE id = ? AND kind = 'added'",
        (pair.old_path, text_if_no_utf8(pair.old_path), pair.came_id),
    )
    connection.execute("DELETE FROM change WHERE id = ?", (pair.went_id,))
    connection.execute(
        "UPDATE file SET first_seen_ms = min(first_seen_ms, (SELECT first_seen_ms FROM file WHERE path = ?)) "
        "WHERE path = ?",
        (pair.old_path, pair.new_path),
    )


def _new_encodings(connection: sqlite3.Connection, scan_id: int) -> list[Pair]:
    """Return, for each file that went, the one file of the same name but for its extension that is there instead."""
    went = connection.execute(
        "SELECT id, path, size_before, digest_before, codec_before, duration_before_s FROM change "
        "WHERE scan_id = ? AND kind = 'removed'",
        (scan_id,),
    )
    instead: dict[bytes, list[Pair]] = {}
    for went_id, old_path, *before in went:
        fitting = [
            name for name, version in _namesakes(connection, old_path) if _is_new_encoding(Version(*before), version)
        ]
        if len(fitting) == 1:
            came_id = connection.execute(
                "SELECT max(id) FROM change WHERE +scan_id = ? AND +kind = 'added' AND path_key = ? AND path = ?",
                (scan_id, path_key(fitting[0]), fitting[0]),
            ).fetchone()[0]
            instead.setdefault(fitting[0], []).append(Pair("re-encoded", old_path, fitting[0], went_id, came_id))
    # where two went for one, none of them is guessed
    return [found[0] for found in instead.values() if len(found) == 1]


def _namesakes(connection: sqlite3.Connection, path: bytes) -> Iterator[tuple[bytes, Version]]:
    stem = os.path.splitext(path)[0]
    # the slash is the byte behind the dot: all names that begin with the stem and a dot
    rows = connection.execute(
        "SELECT path, size, digest, video_codec, duration_s FROM file JOIN media ON media.file_id = file.id "
        "WHERE path > ? AND path < ? AND status = 'ok'",
        (stem + b".", stem + b"/"),
    )
    for name, *version in rows:
        if os.path.splitext(name)[0] == stem:
            yield name, Version(*version)


def _join_encoding(connection: sqlite3.Connection, pair: Pair) -> None:
    connection.execute("DELETE FROM change WHERE id = ?", (pair.came_id,))
    connection.execute(
        "UPDATE change SET kind = 're-encoded', from_path = path, from_path_text = path_text, "
        "path = ?1, path_key = ?4, path_text = ?3, (size_after, digest_after, codec_after, duration_after_s) = "
        "(SELECT size, digest, video_codec, duration_s FROM file JOIN media ON media.file_id = file.id "
        "WHERE file.path = ?1) WHERE id = ?2 AND kind = 'removed'",
        (pair.new_path, pair.went_id, text_if_no_utf8(pair.new_path), path_key(pair.new_path)),
    )
