"""Files: what fits criteria, in any order, a page at a time."""

from __future__ import annotations

import json
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import quote

from qacache.columns import KNOWN
from qacache.lookup import Answer
from qacache.selection import SortKey
from qacache.serve.api.cursors import AFTER, cursor_of, position_in
from qacache.serve.api.parameters import CRITERIA, UNDER, asked_names, number_of, selection_of
from qacache.serve.forms import VARIES, form_for
from qacache.serve.messages import JSON, Response
from qacache.serve.routes import Parameter
from qacache.store.ordering import SORT_COLUMNS, parse_sort
from qacache.store.search import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.serve.messages import Request
    from qacache.serve.services import Services
    from qacache.store.search import Position

_COLUMN_LIST = "({0})(,({0}))*".format("|".join(KNOWN))
_SORTABLE = tuple(name for column in SORT_COLUMNS if column != "random" for name in (column, f"-{column}"))

LIMIT = Parameter("limit", "How many files a page has.", "integer", minimum=1, maximum=1000)
SORT = Parameter("sort", "In this order; a minus descends. The first one counts most.", values=_SORTABLE, is_list=True)
COLUMNS = Parameter(
    "columns",
    "The columns of tab-separated values, with commas between them.",
    example="path,size",
    pattern=_COLUMN_LIST,
)
NUMBER = Parameter("n", "How many files.", "integer", minimum=1, maximum=1000)

LIST = (*CRITERIA, SORT, LIMIT, AFTER, COLUMNS)
TOP = (*CRITERIA, NUMBER, COLUMNS)

_USUAL = 100
_SIZE = SortKey("size", is_descending=True)


def list_files(services: Services, request: Request) -> Response:
    """List a page of the files that fit; `next` is for the page after it, null where that would be empty."""
    limit = number_of(request.query, LIMIT, _USUAL)
    order = parse_sort(request.query.get(SORT.name, ()))
    # a value for each key, and the id
    after = position_in(request, (object,) * (max(1, len(order)) + 1))
    return _page(services, request, order, limit, after)


def top(services: Services, request: Request) -> Response:
    """List the largest files that fit."""
    return _page(services, request, (_SIZE,), number_of(request.query, NUMBER, _USUAL), None)


def _page(
    services: Services, request: Request, order: Sequence[SortKey], limit: int, after: Position | None
) -> Response:
    form = form_for(request)
    selection = selection_of(services, request.query, statuses=("ok",))
    page = Page([], None)
    if selection is not None:
        page = services.readers.search().page(selection, form.columns, order=order, limit=limit, after=after)
    following = cursor_of(page.position)
    name = asked_names(services, request.query.get(UNDER.name, ()))
    pieces = form.pieces(Answer(found.path, found._replace(path=name(found.path))) for found in page.found)
    if form.content_type == JSON:
        pieces = chain((b'{"files":',), pieces, (b',"next":', json.dumps(following).encode(), b"}\n"))
    link = () if following is None or AFTER not in _parameters(request) else (_link(request, following),)
    return Response(HTTPStatus.OK, b"".join(pieces), form.content_type, (VARIES, *link))


def _parameters(request: Request) -> Sequence[Parameter]:
    return LIST if request.path.endswith("/files") else TOP


def _link(request: Request, following: str) -> tuple[str, str]:
    """Return the field that names the next page, for forms that have no room for it (RFC 8288)."""
    query = [(name, value) for name, values in request.query.items() for value in values if name != AFTER.name]
    text = "&".join(f"{quote(name)}={_quoted(value)}" for name, value in (*query, (AFTER.name, following)))
    return "Link", f'<{request.path}?{text}>; rel="next"'


def _quoted(value: str) -> str:
    return quote(value.encode(errors="surrogateescape"), safe="")
