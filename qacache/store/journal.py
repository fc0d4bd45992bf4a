"""The journal: what changed in the library, by the scan that noticed.

In: what the store knew of a file, and what it knows now, on the connection and in the transaction of a `Writer`. Out:
rows of the table `change`. A file that comes is `added` and one that goes `removed`, until the end of the scan tells
which of them were one: a move, where exactly one file that went has the content of exactly one that came; a new
encoding, where a file of the same name but for its extension, and of the same length, stands in the place of another.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

# Of one recording, two encodings differ in length by padding: a second, or a hundredth.
_SAME_LENGTH_S = 1.0
_SAME_LENGTH_SHARE = 0.01


class Version(NamedTuple):
    """What the journal keeps of a file at one time; `size` is in bytes, and None of no file at all."""

    size: int | None = None
    digest: bytes | None = None
    video_codec: str | None = None
    duration_s: float | None = None


NO_FILE = Version()


def stored_version(connection: sqlite3.Connection, path: bytes) -> Version:
    """Return what the store knows of the file at `path`; `NO_FILE` where it knows of none that is there."""
    row = connection.execute(
        "SELECT size, digest, video_codec, duration_s FROM file LEFT JOIN media ON media.file_id = file.id "
        "WHERE path = ? AND status <> 'vanished'",
        (path,),
    ).fetchone()
    return Version(*row) if row else NO_FILE


def record(
    connection: sqlite3.Connection, scan_id: int | None, now_ms: int, path: bytes, before: Version, after: Version
) -> None:
    """Note that the file at `path` came, went, or has other content now; nothing where that is not so.

    What is found outside of a scan (`scan_id` is None) counts as the next one's.
    """
    kind = _kind(before, after)
    if kind is not None:
        connection.execute(
            "INSERT INTO change (scan_id, kind, path, path_text, changed_ms, size_before, digest_before, codec_before, "
            "duration_before_s, size_after, digest_after, codec_after, duration_after_s) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (scan_id, kind, path, text_if_no_utf8(path), now_ms, *before, *after),
        )


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


def settle(connection: sqlite3.Connection, scan_id: int) -> dict[str, int]:
    """Tell moves and new encodings from files that came and went; return how many changes there are of each kind."""
    if _has(connection, "SELECT 1 FROM file WHERE status = 'vanished'"):
        for change_id, old_path in _moves(connection, scan_id):
            _settle_move(connection, scan_id, change_id, old_path)
    for change_id, new_path in _new_encodings(connection, scan_id):
        _settle_new_encoding(connection, scan_id, change_id, new_path)
    counts = connection.execute("SELECT kind, count(*) FROM change WHERE scan_id = ? GROUP BY kind", (scan_id,))
    return dict(counts.fetchall())


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
    """Whether both may be the same recording: as long as each other, and not the same codec and size."""
    if before.duration_s is None or after.duration_s is None:
        return False
    allowed_s = max(_SAME_LENGTH_S, _SAME_LENGTH_SHARE * before.duration_s)
    return abs(before.duration_s - after.duration_s) <= allowed_s


def _moves(connection: sqlite3.Connection, scan_id: int) -> list[tuple[int, bytes]]:
    """Return, for each file that came and is the only one of its content, the one file of that content that went."""
    came = connection.execute(
        "SELECT min(id), digest_after, size_after FROM change "
        "WHERE scan_id = ? AND kind = 'added' AND digest_after IS NOT NULL AND size_after > 0 "
        "GROUP BY digest_after, size_after HAVING count(*) = 1",
        (scan_id,),
    )
    moves = []
    for change_id, digest, size in came:
        # not one that was found elsewhere already
        went = connection.execute(
            "SELECT path FROM file WHERE digest = ? AND digest IS NOT NULL AND size = ? AND status = 'vanished' "
            "AND NOT EXISTS (SELECT 1 FROM change WHERE from_path = file.path AND kind = 'moved' "
            "AND changed_ms >= file.last_seen_ms) LIMIT 2",
            (digest, size),
        ).fetchall()
        if len(went) == 1:
            moves.append((change_id, went[0][0]))
    return moves


def _settle_move(connection: sqlite3.Connection, scan_id: int, change_id: int, old_path: bytes) -> None:
    connection.execute(
        "UPDATE change SET kind = 'moved', from_path = ?, from_path_text = ?, "
        "size_before = size_after, digest_before = digest_after, "
        "codec_before = codec_after, duration_before_s = duration_after_s WHERE id = ?",
        (old_path, text_if_no_utf8(old_path), change_id),
    )
    connection.execute("DELETE FROM change WHERE scan_id = ? AND kind = 'removed' AND path = ?", (scan_id, old_path))
    connection.execute(
        "UPDATE file SET first_seen_ms = min(first_seen_ms, (SELECT first_seen_ms FROM file WHERE path = ?)) "
        "WHERE path = (SELECT path FROM change WHERE id = ?)",
        (old_path, change_id),
    )


def _new_encodings(connection: sqlite3.Connection, scan_id: int) -> list[tuple[int, bytes]]:
    """Return, for each file that went, the one file of the same name but for its extension that is there instead."""
    went = connection.execute(
        "SELECT id, path, size_before, digest_before, codec_before, duration_before_s FROM change "
        "WHERE scan_id = ? AND kind = 'removed'",
        (scan_id,),
    )
    instead: dict[bytes, list[int]] = {}
    for change_id, path, *before in went:
        fitting = [new for new, version in _namesakes(connection, path) if _is_new_encoding(Version(*before), version)]
        if len(fitting) == 1:
            instead.setdefault(fitting[0], []).append(change_id)
    # where two went for one, none of them is guessed
    return [(change_ids[0], new_path) for new_path, change_ids in instead.items() if len(change_ids) == 1]


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


def _settle_new_encoding(connection: sqlite3.Connection, scan_id: int, change_id: int, new_path: bytes) -> None:
    connection.execute("DELETE FROM change WHERE scan_id = ? AND kind = 'added' AND path = ?", (scan_id, new_path))
    connection.execute(
        "UPDATE change SET kind = 're-encoded', from_path = path, from_path_text = path_text, "
        "path = ?1, path_text = ?3, "
        "(size_after, digest_after, codec_after, duration_after_s) = "
        "(SELECT size, digest, video_codec, duration_s FROM file JOIN media ON media.file_id = file.id "
        "WHERE file.path = ?1) WHERE id = ?2",
        (new_path, change_id, text_if_no_utf8(new_path)),
    )


def _has(connection: sqlite3.Connection, query: str) -> bool:
    return connection.execute(f"{query} LIMIT 1").fetchone() is not None
