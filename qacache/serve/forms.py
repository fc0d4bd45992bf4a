"""The forms of answers: rows of the store come in, bytes go out as the client accepts them: NDJSON, JSON or TSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from qacache.columns import HEAD, MEDIA, parse_columns, row_of, sql_of
from qacache.errors import UsageError
from qacache.exchange.ndjson import record_text
from qacache.record import unknown_dict
from qacache.serve.access import Denied
from qacache.serve.messages import JSON, NDJSON, TSV
from qacache.store.records import RECORD_COLUMNS, entry_of
from qacache.text import tsv_line

if TYPE_CHECKING:
    from qacache.lookup import Answer
    from qacache.serve.messages import Request

_GATHERED = 500

TYPES = (JSON, NDJSON, TSV)
"""The types of content that answers of many files can have; the first is the usual one."""

VARIES = ("Vary", "Accept")
"""The field by which caches know that another client may get another form."""


class Form(NamedTuple):
    """A form: its type, the SQL of the columns that it needs of each row, and what makes bytes of answers."""

    content_type: str
    columns: tuple[str, ...]
    pieces: Callable[[Iterable[Answer]], Iterator[bytes]]


def form_for(request: Request) -> Form:
    """Return the form that the client accepts, by `Accept`; `columns` of the query are those of TSV.

    Raises `UsageError` for columns that there are not, `Denied` (406) where nothing is accepted that there is.
    """
    chosen = accepted(request.fields.get("accept", ""), TYPES)
    if chosen == TSV:
        columns = _columns(request.query.get("columns", ())) or (*HEAD, *MEDIA)
        return Form(TSV, sql_of(columns), lambda answers: _tsv(answers, columns))
    return Form(chosen, RECORD_COLUMNS, _json_array if chosen == JSON else _ndjson)


def _columns(texts: Sequence[str]) -> tuple[str, ...]:
    try:
        return parse_columns(texts)
    except UsageError as error:
        # what it is called is the client's words, which no answer repeats
        raise UsageError("parameter columns names one that there is not", hint=error.hint) from error


def accepted(accept: str, types: tuple[str, ...]) -> str:
    """Return which of `types` the client likes best (RFC 9110, section 12.5.1); raises `Denied` (406) for none."""
    if not accept or accept == "*/*":
        return types[0]
    liked = {
        name: max((_quality(name.partition(";")[0], part) for part in accept.split(",")), default=(0, 0.0))
        for name in types
    }
    best = max(types, key=lambda name: liked[name][1])
    if liked[best][1] <= 0:
        raise Denied(HTTPStatus.NOT_ACCEPTABLE, "there is no such form", hint=f"accept one of: {', '.join(types)}")
    return best


def _quality(name: str, part: str) -> tuple[int, float]:
    """Return how exactly a part of `Accept` names a type, and how much it is liked."""
    wanted, *parameters = (text.strip().lower() for text in part.split(";"))
    exactness = (wanted == "*/*") + 2 * (wanted == f"{name.partition('/')[0]}/*") + 3 * (wanted == name)
    if not exactness:
        return 0, 0.0
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return exactness, float(quality)
    except ValueError:
        return exactness, 0.0


def answer_text(answer: Answer) -> str:
    """Return the record of an answer as one JSON object."""
    found = answer.found
    if found is None:
        return json.dumps(unknown_dict(answer.path), ensure_ascii=False, separators=(",", ":"))
    return record_text(entry_of(found))


def _ndjson(answers: Iterable[Answer]) -> Iterator[bytes]:
    for answer in answers:
        yield answer_text(answer).encode() + b"\n"


def _json_array(answers: Iterable[Answer]) -> Iterator[bytes]:
    yield b"["
    separator = b"\n"
    for answer in answers:
        yield separator + answer_text(answer).encode()
        separator = b",\n"
    yield b"\n]\n"


def _tsv(answers: Iterable[Answer], columns: tuple[str, ...]) -> Iterator[bytes]:
    yield tsv_line(columns).encode()
    unknown = {"status": "unknown"}
    for path, found in answers:
        values: Sequence[object]
        if found is None:
            values = [path if name == "path" else unknown.get(name) for name in columns]
        else:
            values = row_of(found, columns)
        yield tsv_line(values).encode(errors="surrogateescape")
