"""Numbers: how much there is of what, and what is there more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.config.keys import Key
from qacache.duplicates.groups import candidates, group_dict
from qacache.selection_text import SIZE, parse_text
from qacache.serve.api.cursors import AFTER, cursor_of, position_in
from qacache.serve.api.parameters import SIZE_PATTERN, UNDER, asked_names, number_of, paths_of, told_without_text
from qacache.serve.messages import Response, json_response
from qacache.serve.routes import Parameter
from qacache.store.duplicates import Duplicates, Totals
from qacache.store.stats import statistics, statistics_dict

if TYPE_CHECKING:
    from qacache.serve.messages import Request
    from qacache.serve.services import Services
    from qacache.store.duplicates import StoredGroup

MIN_SIZE = Parameter(
    "min-size", "Only files of this size or more, such as 100M, 2GB or 4GiB.", example="100M", pattern=SIZE_PATTERN
)
LIMIT = Parameter(
    "limit", "How many groups a page has, those first that waste most.", "integer", minimum=1, maximum=10_000
)

STATS = (UNDER,)
DUPES = (UNDER, MIN_SIZE, LIMIT, AFTER)

_USUAL = 100
_MIN_SIZE = Key(MIN_SIZE.name, SIZE, "", minimum=0)


def stats(services: Services, request: Request) -> Response:
    """Say how many files, bytes and seconds there are, by root, codec, resolution and so on."""
    folders = paths_of(services, request.query.get(UNDER.name, ()))
    return json_response(statistics_dict(statistics(services.readers.path, folders)))


def dupes(services: Services, request: Request) -> Response:
    """List a page of what the store takes for copies of one content: candidates, of which samples were compared."""
    after = position_in(request, (int, bytes, int))
    texts = request.query.get(MIN_SIZE.name)
    with told_without_text():
        smallest = parse_text(texts[-1], _MIN_SIZE) if texts else 1
    reader = services.readers.reader()
    named = paths_of(services, request.query.get(UNDER.name, ()))
    places = [place for place in map(reader.name_of, named) if place is not None]
    if named and not places:
        return json_response({"groups": [], "total": Totals(0, 0, 0, 0)._asdict(), "next": None})
    name = asked_names(services, request.query.get(UNDER.name, ()))

    def renamed(group: StoredGroup) -> StoredGroup:
        return group._replace(files=[file._replace(path=name(file.path)) for file in group.files])

    with Duplicates(services.readers.path, min_size=smallest, under=places) as stored:
        page = stored.page(number_of(request.query, LIMIT, _USUAL), after)
        totals = stored.totals()
    groups = [group_dict(candidates(renamed(group))) for group in page.groups]
    return json_response({"groups": groups, "total": totals._asdict(), "next": cursor_of(page.position)})
