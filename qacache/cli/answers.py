"""Answers to look-ups: the work of `qacache lookup`, without typer, which takes longer to load than all of this.

In: a `Request`. Out: an answer a line on stdout: a table on a terminal, tab-separated where the output goes
elsewhere, JSON records or bare values where asked for.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from qacache.cli.asking import refuse, server_for
from qacache.columns import MEDIA, column_named, sql_of
from qacache.config import load
from qacache.config.keys import Key
from qacache.config.kinds import DURATION
from qacache.errors import UsageError
from qacache.lookup import look_up
from qacache.paths import absolute
from qacache.store.reader import COLUMNS, Reader
from qacache.text import json_line, tsv_line
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from qacache.freshness import Verifier
    from qacache.lookup import Answer

NOT_FOUND = 3

ANSWER_FIELDS = ("path", "status", "freshness", "last_seen")
"""The fields that every answer has (`freshness` where the file was looked at), before the columns of the store."""

_DEADLINE = Key("verify.deadline", DURATION, "", minimum=0.001, maximum=3600.0)


class Request(NamedTuple):
    """What `qacache lookup` was asked. `verify_deadline` is a duration as typed."""

    paths: Sequence[str] = ()
    config: str | None = None
    db: str | None = None
    server: str | None = None
    stdin: bool = False
    null: bool = False
    json: bool = False
    field: str | None = None
    verify: bool = False
    verify_deadline: str = "50ms"
    probe_missing: bool = False


class Line(NamedTuple):
    """One answer, as the forms of output need it."""

    answer: Answer
    freshness: str | None

    def head(self) -> tuple[bytes, str, str | None, str | None]:
        """Return the values of `ANSWER_FIELDS`."""
        found = self.answer.found
        if found is None:
            return self.answer.path, "unknown", None, None
        return found.path, found.status, self.freshness, iso_time(found.last_seen_ms)


def answer(request: Request) -> int:
    """Print the answers; return the exit status, which is 3 where a path is not in the store."""
    flags = {"db.path": request.db, "client.server_url": request.server}
    config = load(config_path=request.config, flags=flags).config
    server = server_for(config, db=request.db, server=request.server)
    columns, write = _form(request)
    paths = _paths(request)
    verifier = _verifier(request)
    if server:
        from qacache.client.files import look_up as look_up_there

        refuse({"--verify": request.verify})
        refuse({"--probe-missing": request.probe_missing}, hint="to have files probed there: qacache reprobe")
        answers = look_up_there(server, paths, columns)
        # this is when it is asked: before anything is written
        first = list(islice(answers, 1))
        return _write_all(write, (Line(each, None) for each in chain(first, answers)))
    status = 0
    if request.probe_missing:
        from qacache.cli.missing import probe_missing

        status = probe_missing(paths, config)

    def lines(reader: Reader) -> Iterator[Line]:
        for each in look_up(reader, paths, columns):
            checked = verifier.freshness(each.found, reader.root_of(each.path)) if verifier and each.found else None
            yield Line(each, checked)

    with verifier or nullcontext(), Reader(config.db.path) as reader:
        missing = _write_all(write, lines(reader))
    return status or missing


def _write_all(write: Callable[[Iterable[Line]], None], lines: Iterable[Line]) -> int:
    """Write the answers; return the exit status."""
    missing = 0

    def counted() -> Iterator[Line]:
        nonlocal missing
        for line in lines:
            missing += line.answer.found is None
            yield line

    write(counted())
    return NOT_FOUND if missing else 0


def _form(request: Request) -> tuple[tuple[str, ...], Callable[[Iterable[Line]], None]]:
    """Return the SQL columns that the form of output needs, and what writes it."""
    if request.json:
        from qacache.store.records import RECORD_COLUMNS

        return RECORD_COLUMNS, _write_json
    if request.field is not None:
        name = column_named(request.field, (*ANSWER_FIELDS, *COLUMNS), "field")
        if name in ANSWER_FIELDS:
            position = ANSWER_FIELDS.index(name)
            return (), lambda lines: _write_tsv((line.head()[position],) for line in lines)
        return (COLUMNS[name],), lambda lines: _write_tsv(_values(line, 1) for line in lines)
    if sys.stdout.isatty():
        from qacache.cli.tables import TABLE_COLUMNS, write_table

        return sql_of(TABLE_COLUMNS), write_table
    return sql_of(MEDIA), lambda lines: _write_tsv(_rows(lines, request.verify))


def _paths(request: Request) -> list[bytes]:
    paths = [absolute(os.fsencode(path)) for path in request.paths]
    if request.stdin or request.null:
        data = sys.stdin.buffer.read() if sys.stdin else b""
        paths += [path for path in data.split(b"\0" if request.null or b"\0" in data else b"\n") if path]
    elif not paths:
        raise UsageError("no paths to look up", hint="name files or folders, or pass them with --stdin")
    return paths


def _verifier(request: Request) -> Verifier | None:
    try:
        deadline_s = _DEADLINE.parse(request.verify_deadline, "")
    except ValueError as error:
        raise UsageError(f"flag --verify-deadline: {error}") from error
    if not request.verify:
        return None
    from qacache.freshness import Verifier

    return Verifier(deadline_s)


def _write_json(lines: Iterable[Line]) -> None:
    from qacache.record import to_dict, unknown_dict
    from qacache.store.records import record_of

    for line in lines:
        found = line.answer.found
        record: dict[str, Any] = to_dict(record_of(found)) if found else unknown_dict(line.answer.path)
        if line.freshness:
            record["freshness"] = line.freshness
        sys.stdout.write(json_line(record))


def _rows(lines: Iterable[Line], with_freshness: bool) -> Iterator[Sequence[object]]:
    yield (*(name for name in ANSWER_FIELDS if with_freshness or name != "freshness"), *MEDIA)
    for line in lines:
        path, status, freshness, last_seen = line.head()
        head = (path, status, freshness, last_seen) if with_freshness else (path, status, last_seen)
        yield (*head, *_values(line, len(MEDIA)))


def _values(line: Line, count: int) -> Sequence[object]:
    return line.answer.found.values if line.answer.found else (None,) * count


def _write_tsv(rows: Iterable[Sequence[object]]) -> None:
    write = sys.stdout.write
    for row in rows:
        write(tsv_line(row))
