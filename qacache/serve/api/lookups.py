"""Look-ups: the paths that somebody names, by whatever name their machine has for them, and what is stored of each."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from itertools import chain, islice
from typing import TYPE_CHECKING

from qacache.errors import UsageError
from qacache.lookup import Answer, look_up
from qacache.record import BadRecord, path_from_fields
from qacache.serve.api.parameters import PATH_PATTERN, absolute_bytes, absolute_path
from qacache.serve.forms import VARIES, answer_text, form_for
from qacache.serve.messages import JSON, NDJSON, Response
from qacache.store.records import RECORD_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from qacache.pathmap import Translation
    from qacache.serve.messages import Request
    from qacache.serve.services import Services
    from qacache.store.reader import Reader

MOST_BODY = 16 << 20
# what every socket takes in at once
_MOST_NOW = 12 << 10
_NAMED = "path"


def lookup_one(services: Services, request: Request) -> Response:
    """Say what is stored of the file `path`; of a folder, of all that is below it."""
    form = form_for(request)
    (path,) = request.query[_NAMED]
    answers = _answers(services, [absolute_path(path)], form.columns)
    first = list(islice(answers, 2))
    if len(first) > 1:  # a folder may have any number of files
        return Response(HTTPStatus.OK, form.pieces(chain(first, answers)), form.content_type, [VARIES])
    if form.content_type == JSON:
        return Response(HTTPStatus.OK, answer_text(first[0]).encode() + b"\n", JSON, [VARIES])
    return Response(HTTPStatus.OK, b"".join(form.pieces(first)), form.content_type, [VARIES])


def lookup_known(services: Services, request: Request) -> Response | None:
    """Say what is stored of the file `path`, or that nothing is; None where that takes longer, or is not for JSON."""
    if request.fields.get("accept", "*/*") not in ("*/*", JSON):
        return None
    path, back = services.paths.there_and_back(absolute_path(request.query[_NAMED][0]))
    reader = services.readers.reader()
    found = reader.find(path, RECORD_COLUMNS)
    # by another name it may be a folder, of any number of files
    if (found and found.status == "vanished") or (not found and reader.name_of(path) is not None):
        return None
    answer = Answer(back(path), found and found._replace(path=back(found.path)))
    text = answer_text(answer).encode()
    if len(text) > _MOST_NOW:
        return None
    # counted here alone: what is left to a worker, is counted there
    list(services.metrics.looked_up([answer]))
    return Response(HTTPStatus.OK, text + b"\n", JSON, [VARIES])


def lookup_many(services: Services, request: Request) -> Response:
    """Say what is stored of each of the paths in the body, in their order."""
    form = form_for(request)
    pieces = form.pieces(_answers(services, paths_in(request), form.columns))
    return Response(HTTPStatus.OK, pieces, form.content_type, [VARIES])


def _answers(services: Services, paths: Iterable[bytes], columns: tuple[str, ...]) -> Iterator[Answer]:
    """Yield an answer for each path, by the names that the client has for them."""
    reader = services.readers.reader()
    if services.paths:
        return services.metrics.looked_up(_translated(reader, paths, columns, services.paths))
    return services.metrics.looked_up(look_up(reader, paths, columns))


def _translated(
    reader: Reader, paths: Iterable[bytes], columns: tuple[str, ...], translate: Translation
) -> Iterator[Answer]:
    for path in paths:
        here, back = translate.there_and_back(path)
        for answer in look_up(reader, [here], columns):
            found = answer.found and answer.found._replace(path=back(answer.found.path))
            yield Answer(back(answer.path), found)


def paths_in(request: Request) -> list[bytes]:
    """Return the paths in the body; raises `UsageError`."""
    kind = request.fields.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        named = _json(request.body)
        if not isinstance(named, list):
            raise UsageError("the body is no array of paths", hint='send ["/mnt/media/a.mp4"]')
    elif kind in (NDJSON, "application/ndjson"):
        named = [_json(line) for line in request.body.split(b"\n") if line.strip()]
    else:
        # a path of a shell's is any bytes but NUL
        ends = b"\0" if b"\0" in request.body else b"\n"
        return [absolute_bytes(path) for path in request.body.split(ends) if path]
    return [_path(path) for path in named]


def _json(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is not the JSON that it is said to be") from error


def _path(named: object) -> bytes:
    if isinstance(named, dict) and all(isinstance(named.get(name, ""), str) for name in ("path", "path_b64")):
        return _path_of_object(named)
    if isinstance(named, str) and re.fullmatch(PATH_PATTERN, named):
        return absolute_path(named)
    raise UsageError(
        "a path is no text that begins with a slash",
        hint='send texts, or objects with "path", and "path_b64" where it is no UTF-8',
    )


def _path_of_object(named: Mapping[str, str]) -> bytes:
    if "path_b64" not in named:
        return _path(named.get("path"))
    try:
        return absolute_bytes(path_from_fields(named))
    except BadRecord as error:
        raise UsageError("a path_b64 is no base64") from error
