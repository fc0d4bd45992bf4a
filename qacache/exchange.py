"""Exchange: the store's records, for other programs and other stores.

In: a reader, and the paths that matter. Out: records, in path order for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.lookup import look_up
from qacache.store.records import RECORD_COLUMNS, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.record import Record
    from qacache.store.reader import Reader


def export(reader: Reader, paths: Sequence[bytes] = ()) -> Iterator[Record | bytes]:
    """Yield the records at or below `paths`, all there are where none is named.

    A path that the store does not know is yielded as it is, absolute.
    """
    if not paths:
        yield from (record_of(found) for found in reader.below(b"/", RECORD_COLUMNS))
        return
    for answer in look_up(reader, paths, RECORD_COLUMNS):
        yield record_of(answer.found) if answer.found else answer.path
