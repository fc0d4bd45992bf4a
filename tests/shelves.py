"""A store of many different files, and what fits a selection by looking at each of them.

The second opinion on searches: `fits` knows nothing of SQL, indexes and plans, only the records.
"""

from __future__ import annotations

import random
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatchcase

from qacache.events import Event, Failed, Probed, Vanished
from qacache.models import Failure
from qacache.record import Record
from qacache.resolution import resolution_of
from qacache.selection import Selection
from qacache.store import path_index
from qacache.store.reader import Reader
from qacache.store.records import RECORD_COLUMNS, record_of
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.rows import digest_of, probe_of, stat_of

FOLDERS = (
    *(b"/v/Films", b"/v/Films 2", b"/v/Own Clips/2024", b"/v/Own Clips/2025", b"/w/Tapes"),
    "/w/Zu\u0308rich".encode(),
)
WORDS = (
    *("holiday", "Holiday", "HOLIDAY 4", "beach", "be%ch", "x_y", "it's", 'the "end"', "a[b]c", "Ümläut", "ÜMLÄUT"),
    *("u\u0308mla\u0308ut", "Ελλάς", "ελλας", "Жизнь", "жизнь", "日本語", "straße", "5 \u212a", "new\nline"),
    *("IMG_0001", "img_0002"),
)
ODD_BYTES = (b"", b"", b"", b"\xff", b"\xe9t\xe9")
CODECS = ("h264", "hevc", "mpeg4", None)
FORMATS = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "mpegts", "avi")
SHAPES = ((1920, 1080), (1080, 1920), (3840, 2160), (640, 640), (1920, 804), (None, None))
DURATIONS = (None, 0.0, 9.5, 600.0, 600.0004, 7200.25)
SIZES = (0, 1, 999, 1000, 1_000_000, 5_000_000_000)
DAY_NS = 86_400 * 10**9


def events(count: int, seed: int = 3) -> Iterator[Event]:
    """Yield what a scan would store of `count` files: most are there, some failed, some vanished."""
    chance = random.Random(seed)
    for number in range(count):
        words = " ".join(chance.choices(WORDS, k=2)).encode() + chance.choice(ODD_BYTES)
        path = b"%s/%s %d.%s" % (chance.choice(FOLDERS), words, number, chance.choice((b"mkv", b"MP4", b"ts")))
        mtime_ns = chance.randrange(0, 100) * DAY_NS
        stat = stat_of(path, size=chance.choice(SIZES), mtime_ns=mtime_ns)
        content = str(number)
        if chance.random() < 0.1:
            failure = Failure("probe", chance.choice(("invalid-data", "timeout")), "no")
            yield Failed(path, failure, stat, digest_of(content), "fake 1")
            continue
        width, height = chance.choice(SHAPES)
        media = {
            "display_width": width,
            "display_height": height,
            "duration_s": chance.choice(DURATIONS),
            "video_codec": chance.choice(CODECS),
            "audio_codec": chance.choice(("aac", "ac3", None)),
            "format_name": chance.choice(FORMATS),
            "hdr": chance.choice(("sdr", "sdr", "hdr10", "hlg", None)),
            "bit_rate": chance.choice((None, 1000, 2000)),
            "avg_frame_rate": chance.choice(("25/1", "30000/1001", "120/1", None)),
            "orientation": None if not width or not height else _orientation(width, height),
        }
        yield Probed(stat, digest_of(content), probe_of(content, **media))
        if chance.random() < 0.1:
            yield Vanished(path)


def fill(path: str, count: int = 240) -> None:
    """Store that many files, of which the first half is in the index of paths, and the second half is not yet."""
    stored = list(events(count))
    with Writer(path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as writer:
        writer.write(stored[: len(stored) // 2])
        with closing(sqlite3.connect(path)) as connection, connection:
            path_index.index_batch(connection)
        writer.write(stored[len(stored) // 2 :])


def records(path: str) -> dict[int, Record]:
    """Return all that is stored, by the ids of the rows."""
    with Reader(path) as reader:
        found = list(reader.below(b"/", (*RECORD_COLUMNS, "file.id")))
    return {row.values[-1]: record_of(row._replace(values=row.values[:-1])) for row in found}


def fits(record: Record, selection: Selection) -> bool:
    """Whether the record is meant, but for `where`."""
    return all(
        [
            not selection.statuses or record.status in selection.statuses,
            _is_between(record.size, selection.bigger_than, selection.smaller_than),
            selection.modified_since_ns is None or record.mtime_ns >= selection.modified_since_ns,
            selection.modified_before_ns is None or record.mtime_ns < selection.modified_before_ns,
            _path_fits(record.path, selection),
            _media_fits(record, selection),
        ]
    )


def _path_fits(path: bytes, selection: Selection) -> bool:
    # of a path that is no UTF-8, letters are compared as they are
    text = _one_case(path.decode(errors="replace") if _is_no_utf8(path) else _composed(path.decode()))
    name = text.rpartition("/")[2]
    return (
        all(_one_case(_composed(wanted)) in text for wanted in selection.texts)
        and (
            not selection.names or any(fnmatchcase(name, _one_case(_composed(pattern))) for pattern in selection.names)
        )
        and (
            not selection.under
            or any(path == each or path.startswith(each.rstrip(b"/") + b"/") for each in selection.under)
        )
    )


def _media_fits(record: Record, selection: Selection) -> bool:
    media = record.media
    if media is None:
        wanted = (
            *(selection.orientations, selection.resolutions, selection.codecs, selection.audio_codecs, selection.hdr),
            *(selection.containers, selection.min_width, selection.max_width, selection.min_height),
            *(selection.max_height, selection.longer_than_s, selection.shorter_than_s),
        )
        return all(each in (None, ()) for each in wanted)
    return all(
        [
            not selection.orientations or media.orientation in selection.orientations,
            not selection.codecs or media.video_codec in selection.codecs,
            not selection.audio_codecs or media.audio_codec in selection.audio_codecs,
            not selection.hdr or media.hdr in selection.hdr,
            not selection.containers or set(media.format_name.split(",")) & set(selection.containers),
            not selection.resolutions
            or resolution_of(media.display_width, media.display_height) in selection.resolutions,
            _is_within(media.display_width, selection.min_width, selection.max_width),
            _is_within(media.display_height, selection.min_height, selection.max_height),
            _is_between(media.duration_s, selection.longer_than_s, selection.shorter_than_s),
        ]
    )


def _is_between(value: float | None, lower: float | None, upper: float | None) -> bool:
    if value is None:
        return lower is None and upper is None
    return (lower is None or value > lower) and (upper is None or value < upper)


def _is_within(value: int | None, lower: int | None, upper: int | None) -> bool:
    if value is None:
        return lower is None and upper is None
    return (lower is None or value >= lower) and (upper is None or value <= upper)


def _one_case(text: str) -> str:
    # to SQLite the sign for Kelvin is no k
    return "".join(new if len(new := old.casefold()) == 1 and new.isascii() == old.isascii() else old for old in text)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _is_no_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return True
    return False


def _orientation(width: int, height: int) -> str:
    return "square" if width == height else "portrait" if height > width else "landscape"
