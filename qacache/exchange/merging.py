"""Of two entries of one path, what is to be believed: the rules of an import.

1. Of two states of a file (other size, other mtime, or other content) the one that was seen last counts, whole.
2. Of one state, whether the file is there is told by who saw it last; where both saw it at the same time and one says
   that it vanished, it did.
3. Of one state, what is in the file is told by the newest probe that went well, else by the newest failure: another
   machine's trouble does not outweigh an answer.

Seen is when the file was listed, probed or failed, whichever came last. A file was first seen when either saw it
first. Where both are worth the same, what is stored stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qacache.record import Entry


def merged(stored: Entry, other: Entry) -> Entry:
    """Return what to believe of the file, given both: the same as `stored` where `other` adds nothing."""
    later = other if _standing(other) > _standing(stored) else stored
    first_seen_ms = min(stored.first_seen_ms, other.first_seen_ms)
    if not _is_one_state(stored, other):
        return later._replace(first_seen_ms=first_seen_ms)
    told = other if _worth(other) > _worth(stored) else stored
    rest = stored if told is other else other
    is_here = later.status != "vanished"
    # a failure that is told no more was a sight of the file all the same
    seen_ms = later.last_seen_ms if later is told else _seen_ms(later)
    believed = told._replace(
        digest=told.digest or rest.digest,
        status=("ok" if told.error is None else "failed") if is_here else "vanished",
        first_seen_ms=first_seen_ms,
        last_seen_ms=max(seen_ms, told.last_seen_ms, rest.last_seen_ms) if is_here else seen_ms,
    )
    if believed.media is None:
        # what was last known of the same content
        return believed._replace(**{name: getattr(rest, name) for name in _OF_PROBES})
    return _completed(believed, rest)


def replaced(stored: Entry, other: Entry) -> Entry:
    """Return `other`, completed by what it leaves open and is stored of the same state of the file."""
    return _completed(other, stored) if _is_one_state(stored, other) else other


_OF_PROBES = ("probed_ms", "prober", "parser_version", "media", "tags", "streams", "raw")


def _is_one_state(one: Entry, other: Entry) -> bool:
    is_same_content = one.digest == other.digest or None in (one.digest, other.digest)
    return (one.size, one.mtime_ns) == (other.size, other.mtime_ns) and is_same_content


def _standing(entry: Entry) -> tuple[int, bool, tuple[object, ...]]:
    """Return when the file was last seen, whether it was gone after that, and what else makes an entry count."""
    return _seen_ms(entry), entry.status == "vanished", _worth(entry)


def _seen_ms(entry: Entry) -> int:
    return max(entry.last_seen_ms, entry.probed_ms or 0, entry.error.failed_ms if entry.error else 0)


def _worth(entry: Entry) -> tuple[bool, int, int, bool, bool]:
    """Return what makes one description of a file better than another, the most important first."""
    return (
        entry.error is None and entry.media is not None,
        -1 if entry.error is None else entry.error.failed_ms,
        -1 if entry.probed_ms is None else entry.probed_ms,
        entry.streams not in (None, "[]"),
        entry.raw is not None,
    )


def _completed(entry: Entry, rest: Entry) -> Entry:
    """Return `entry` with the tags and streams that a CSV does not have, and the raw answer to the same probe."""
    if entry.media is not None and (entry.tags is None or entry.streams is None):
        entry = entry._replace(tags=rest.tags, streams=rest.streams)
    if entry.raw is None and (entry.probed_ms, entry.prober) == (rest.probed_ms, rest.prober):
        entry = entry._replace(raw=rest.raw)
    return entry
