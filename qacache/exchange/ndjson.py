"""Records as NDJSON: an object a line, in the shape of `qacache.record`.

What the store has as JSON is passed on as it is, which takes a third of the time of reading and writing it again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from qacache.exchange.json_text import any_text, members_text, refuse_halves
from qacache.exchange.shape import VERSION, VERSION_FIELD
from qacache.record import MEDIA_FIELDS, BadRecord, failure_to_dict, head_to_dict
from qacache.store import raw_answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from qacache.record import Entry


def line_of(entry: Entry) -> str:
    """Return the line of `entry`: what `to_dict` makes of its record, the version before it, and `raw` after it."""
    raw = "" if entry.raw is None else f',"raw":{_raw_text(entry.raw)}'
    return f'{{"{VERSION_FIELD}":{VERSION},{_members(entry)}{raw}}}\n'


def record_text(entry: Entry) -> str:
    """Return what `to_dict` makes of the record of `entry`, as JSON."""
    return f"{{{_members(entry)}}}"


def _members(entry: Entry) -> str:
    head = head_to_dict(entry)
    error = "null" if entry.error is None else any_text(failure_to_dict(entry.error))
    return f'{members_text(tuple(head), head.values())},{_media(entry)},"error":{error}'


def _media(entry: Entry) -> str:
    if entry.media is None:
        return '"media":null'
    return f'"media":{{{members_text(MEDIA_FIELDS, entry.media)},"tags":{entry.tags},"streams":{entry.streams}}}'


def _raw_text(raw: bytes) -> str:
    text = raw_answers.unpack(raw)
    if "NaN" in text or "Infinity" in text:
        # what Python reads and writes, but no JSON has; mostly it is part of a name
        text = any_text(json.loads(text, parse_constant=lambda _: None))
    return text


def records(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Mapping[str, Any] | BadRecord]]:
    """Yield the number of each line that is not blank, and the object in it, or why there is none."""
    for number, line in lines:
        if line.isspace():
            continue
        try:
            yield number, _object(line)
        except BadRecord as bad:
            yield number, bad


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        text = line.decode()
        found = _decode(text)
        refuse_halves(text, found)
    except UnicodeDecodeError as error:
        raise BadRecord(f"no UTF-8: byte 0x{line[error.start]:02x} at {error.start}") from error
    except json.JSONDecodeError as error:
        raise BadRecord(f"no JSON: {error.msg.lower()} at column {min(error.pos, len(text.rstrip())) + 1}") from error
    except UnicodeEncodeError as error:
        raise BadRecord("half of a surrogate pair, which is no text") from error
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"no JSON to be read: {error}") from error
    if type(found) is not dict:
        raise BadRecord(f"no JSON object: {text.strip()[:80]}")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode
