"""Anything that a store may hold, for hypothesis: media, entries, and libraries as scans leave them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args

from hypothesis import strategies as st

from qacache.events import Event, Failed, Probed, Vanished
from qacache.models import Failure, FileStat, Hdr, MediaInfo, Orientation, Probe, Stage, Stream
from qacache.probe.values import LARGEST, LONGEST_S
from qacache.record import MEDIA_FIELDS, Entry, RecordedFailure, media_to_dict
from qacache.store import raw_answers

# what spreadsheets, terminals and SQL might stumble over, besides what hypothesis thinks of
ODD_TEXTS = (
    "",
    "'",
    "=1+1",
    "'=1",
    "-5",
    "+",
    "@x",
    "\t",
    "\r\n",
    '"',
    'a"b,c\n',
    "\x1b[2J",
    "\u2028",
    "NaN",
    "\0",
    ",",
)
ODD_NAMES = ("cafe\u0301.mp4", "caf\xe9.mp4", "a\nb.mkv", "=cmd.mp4", '"', "'", "\ufeff", ".hidden", "..mp4", "\x7f")

COUNTS = st.integers(0, LARGEST)
MOMENTS = st.integers(0, 253_402_300_799_999)
SECONDS = st.floats(0, LONGEST_S, exclude_max=True)
RATIOS = st.builds("{}{}{}".format, st.integers(1, 10**9), st.sampled_from("/:"), st.integers(1, 10**9))
ANGLES = st.sampled_from([-90, 0, 90, 180])
TEXTS = st.sampled_from(ODD_TEXTS) | st.text(max_size=20)

_COMPONENTS = st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"/", b"-").replace(b"\0", b"0"))
_NAMES = st.sampled_from([name.encode() for name in ODD_NAMES]) | _COMPONENTS.filter(
    lambda name: name not in (b".", b"..")
)
PATHS = st.lists(_NAMES, min_size=1, max_size=3).map(lambda names: b"/" + b"/".join(names))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ANSWERS = st.dictionaries(TEXTS, JSON, max_size=3)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _of_fields(kind: type, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    by_name = {"rotation": maybe(ANGLES)} | {
        name: maybe(RATIOS)
        for name in ("avg_frame_rate", "r_frame_rate", "sample_aspect_ratio", "display_aspect_ratio")
    }
    by_annotation = {
        "str | None": maybe(TEXTS),
        "int | None": maybe(COUNTS),
        "float | None": maybe(SECONDS),
        "Orientation | None": maybe(st.sampled_from(get_args(Orientation))),
        "Hdr | None": maybe(st.sampled_from(get_args(Hdr))),
    }
    others = {
        each.name: by_name[each.name] if each.name in by_name else by_annotation[str(each.type)]
        for each in fields(kind)
        if each.name not in known
    }
    return st.builds(kind, **others | known)


STREAMS = _of_fields(
    Stream,
    index=st.integers(0, 1000),
    disposition=st.dictionaries(TEXTS, st.integers(0, 1), max_size=2),
    side_data_types=st.lists(TEXTS, max_size=2).map(tuple),
)
MEDIA = _of_fields(
    MediaInfo,
    format_name=TEXTS,
    tags=st.dictionaries(TEXTS, TEXTS, max_size=2),
    streams=st.lists(STREAMS, min_size=1, max_size=2).map(tuple),
)
DIGESTS = st.binary(min_size=16, max_size=16)
FAILURES = st.builds(
    RecordedFailure,
    stage=st.sampled_from(get_args(Stage)),
    reason=TEXTS,
    message=TEXTS,
    attempts=st.integers(1, 99),
    failed_ms=MOMENTS,
    next_retry_ms=MOMENTS,
    prober=maybe(TEXTS),
)


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def packed(raw: Mapping[str, Any]) -> bytes:
    return raw_answers.pack(compact(raw))


def with_media(entry: Entry, media: MediaInfo | None) -> Entry:
    """The entry with that media, in the form in which the store has it."""
    if media is None:
        return entry._replace(
            media=None, tags=None, streams=None, raw=None, probed_ms=None, prober=None, parser_version=None
        )
    told = media_to_dict(media)
    return entry._replace(
        media=tuple(told[name] for name in MEDIA_FIELDS), tags=compact(told["tags"]), streams=compact(told["streams"])
    )


@st.composite
def entries(draw: st.DrawFn, paths: st.SearchStrategy[bytes] = PATHS) -> Entry:
    """An entry that a store can hold."""
    status = draw(st.sampled_from(["ok", "failed", "vanished"]))
    has_media = status == "ok" or draw(st.booleans())
    entry = Entry(
        path=draw(paths),
        size=draw(COUNTS),
        mtime_ns=draw(st.integers(-LARGEST - 1, LARGEST)),
        digest=draw(maybe(DIGESTS.map(bytes.hex))),
        status=status,
        first_seen_ms=draw(MOMENTS),
        last_seen_ms=draw(MOMENTS),
        probed_ms=draw(MOMENTS),
        prober=draw(TEXTS),
        parser_version=draw(st.integers(1, 9)),
        media=None,
        tags=None,
        streams=None,
        error=draw(FAILURES) if status == "failed" else draw(maybe(FAILURES)) if status == "vanished" else None,
        raw=draw(maybe(ANSWERS.map(packed))),
    )
    return with_media(entry, draw(MEDIA) if has_media else None)


@st.composite
def happenings(draw: st.DrawFn) -> list[tuple[int, list[Event]]]:
    """What scans might tell a writer: batches of events, each with the milliseconds that pass before it."""
    paths = draw(st.lists(PATHS, min_size=1, max_size=4, unique=True))
    return draw(
        st.lists(st.tuples(st.integers(0, 10**9), st.lists(_events(paths), min_size=1, max_size=3)), max_size=4)
    )


@st.composite
def _events(draw: st.DrawFn, paths: Sequence[bytes]) -> Event:
    path = draw(st.sampled_from(paths))
    if draw(st.integers(0, 3)) == 0:
        return Vanished(path)
    stat = FileStat(path, draw(COUNTS), draw(st.integers(-LARGEST - 1, LARGEST)), draw(COUNTS), draw(COUNTS))
    # few contents, so that some files keep theirs
    digest = bytes(15) + bytes([draw(st.integers(0, 3))])
    if draw(st.booleans()):
        return Probed(stat, digest, Probe(draw(MEDIA), draw(ANSWERS), draw(TEXTS), draw(st.integers(1, 9))))
    failure = Failure(draw(st.sampled_from(get_args(Stage))), draw(TEXTS), draw(TEXTS))
    return Failed(path, failure, stat, draw(maybe(st.just(digest))), draw(maybe(TEXTS)))
