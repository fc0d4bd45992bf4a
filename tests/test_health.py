"""The health of roots: when one is given up."""

from __future__ import annotations

import pytest

from qacache.models import Failure
from qacache.scan.health import Health

IO_ERROR = Failure("list", "io-error", "input/output error")
GONE = Failure("stat", "mount-gone", "stale file handle")
NO_ANSWER = Failure("digest", "no-answer", "no answer in 60 s")


def health_after(*failures: Failure | None) -> Health:
    """The health of `/nas` after looks that failed so, or did not."""
    health = Health([b"/nas", b"/other"])
    for failure in failures:
        health.note(b"/nas/x.mp4", failure)
    return health


@pytest.mark.parametrize("failure", [IO_ERROR, GONE])
def test_a_root_is_given_up_at_the_fifth_error_in_a_row(failure: Failure) -> None:
    assert not health_after(*[failure] * 4).is_given_up(b"/nas")
    assert health_after(*[failure] * 5).is_given_up(b"/nas")


def test_a_root_is_given_up_at_the_third_look_in_a_row_that_hangs() -> None:
    assert not health_after(*[NO_ANSWER] * 2).is_given_up(b"/nas")
    assert health_after(*[NO_ANSWER] * 3).is_given_up(b"/nas")


def test_errors_of_several_kinds_count_together() -> None:
    assert health_after(IO_ERROR, GONE, NO_ANSWER, IO_ERROR).is_given_up(b"/nas")


def test_a_look_that_does_not_fail_begins_a_new_row() -> None:
    assert not health_after(*[IO_ERROR] * 4, None, *[IO_ERROR] * 4).is_given_up(b"/nas")


@pytest.mark.parametrize("reason", ["permission-denied", "not-found", "invalid-data", "empty-file", "os-error"])
def test_failures_of_single_files_are_an_answer(reason: str) -> None:
    failure = Failure("stat", reason, "no matter what")

    assert not health_after(*[failure] * 100).is_given_up(b"/nas")
    assert not health_after(*[IO_ERROR] * 4, failure, IO_ERROR).is_given_up(b"/nas")


def test_a_root_that_is_given_up_stays_so() -> None:
    assert health_after(*[IO_ERROR] * 5, None).is_given_up(b"/nas")


def test_all_below_a_root_is_given_up_with_it_and_nothing_else() -> None:
    health = health_after(*[IO_ERROR] * 5)

    assert health.is_given_up(b"/nas/folder/x.mp4")
    assert not health.is_given_up(b"/other")
    assert not health.is_given_up(b"/nas2/x.mp4")


def test_each_root_has_a_row_of_its_own() -> None:
    health = Health([b"/nas", b"/other"])
    for _ in range(5):
        health.note(b"/nas", IO_ERROR)
        health.note(b"/other/x.mp4", None)

    assert health.is_given_up(b"/nas")
    assert not health.is_given_up(b"/other")


def test_why_tells_the_last_thing_that_went_wrong() -> None:
    assert health_after(*[IO_ERROR] * 4, GONE, None).why(b"/nas") == "stale file handle"


def test_what_is_in_no_root_is_never_given_up() -> None:
    health = Health()
    for _ in range(5):
        health.note(b"/nas/x.mp4", IO_ERROR)

    assert not health.is_given_up(b"/nas/x.mp4")


def test_the_root_of_everything_holds_everything() -> None:
    health = Health([b"/"])
    for _ in range(5):
        health.note(b"/nas/x.mp4", IO_ERROR)

    assert health.is_given_up(b"/nas/y.mp4")
