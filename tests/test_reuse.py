"""Reuse: which contents are not probed again."""

from __future__ import annotations

import pytest

from qacache.events import Reused, Unstable
from qacache.models import FileStat
from qacache.scan.digest import Hashed
from qacache.scan.reuse import reuse_known
from qacache.store.reader import Known

HASHED = Hashed(FileStat(b"/new.mp4", 7, 1, 1, 1), b"digest")


FAILED = Known(7, 99, "failed", b"digest", 7, 99, "fake 1", 10**15)


class FakeContents:
    """Knows one row, of /new.mp4, that /old.mp4 has seven bytes of digest `old`, and that `failed` could not be probed.

    The last is a path at which there is what is asked for.
    """

    def __init__(self, row: Known | None = None, old: bytes = b"", failed: bytes | None = None) -> None:
        self._row = row
        self._old = old
        self._failed = failed

    def known(self, path: bytes) -> Known | None:
        return FAILED if path == self._failed else self._row if path == b"/new.mp4" else None

    def path_with_failure(self, digest: bytes, size: int) -> bytes | None:
        return self._failed

    def path_with_content(self, digest: bytes, size: int) -> bytes | None:
        return b"/old.mp4" if (digest, size) == (self._old, 7) else None


def never_due(known: Known) -> bool:
    return False


def row(*, size: int = 7, status: str = "ok", digest: bytes = b"digest") -> Known:
    return Known(size, 99, status, digest, None, None, None, None)


def test_a_touched_file_is_reused_from_itself() -> None:
    assert list(reuse_known([HASHED], FakeContents(row()), never_due)) == [Reused(HASHED.stat, b"digest", b"/new.mp4")]


def test_content_that_is_known_by_another_path_is_reused_from_there() -> None:
    assert list(reuse_known([HASHED], FakeContents(old=b"digest"), never_due)) == [
        Reused(HASHED.stat, b"digest", b"/old.mp4")
    ]


@pytest.mark.parametrize("known", [row(size=8), row(digest=b"other"), row(status="failed"), row(status="vanished")])
def test_a_row_of_other_content_or_without_media_is_no_source(known: Known) -> None:
    assert list(reuse_known([HASHED], FakeContents(known), never_due)) == [HASHED]


def test_new_content_and_other_items_pass_as_they_are() -> None:
    items = [HASHED, Unstable(b"/x"), HASHED]

    assert list(reuse_known(items, FakeContents(old=b"other"), never_due)) == items


def test_content_that_could_not_be_probed_at_another_path_is_not_probed_until_that_is_due() -> None:
    contents = FakeContents(failed=b"/broken.mp4")

    assert list(reuse_known([HASHED], contents, never_due)) == [Reused(HASHED.stat, b"digest", b"/broken.mp4")]
    assert list(reuse_known([HASHED], contents, lambda known: known == FAILED)) == [HASHED]


def test_a_touched_file_that_could_not_be_probed_is_tried_again() -> None:
    assert list(reuse_known([HASHED], FakeContents(failed=b"/new.mp4"), never_due)) == [HASHED]


def test_media_that_are_known_come_before_a_failure() -> None:
    contents = FakeContents(old=b"digest", failed=b"/broken.mp4")

    assert list(reuse_known([HASHED], contents, never_due)) == [Reused(HASHED.stat, b"digest", b"/old.mp4")]
