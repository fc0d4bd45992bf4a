"""The health of places: when one is given up."""

from __future__ import annotations

import pytest

from qacache.models import Failure
from qacache.scan.health import Health
from qacache.scan.places import Place

IO_ERROR = Failure("list", "io-error", "input/output error")
GONE = Failure("stat", "mount-gone", "stale file handle")
NO_ANSWER = Failure("digest", "no-answer", "no answer in 60 s")

NAS = Place(b"/nas", b"/nas", b"/nas", is_network=True)
NAS_TOO = Place(b"/nas/music", b"/nas/music", b"/nas", is_network=True)
OTHER_NAS = Place(b"/nas2", b"/nas2", b"/nas2", is_network=True)
DISK = Place(b"/disk", b"/disk", b"/", is_network=False)
DISK_TOO = Place(b"/home", b"/home", b"/", is_network=False)


def health_after(*failures: Failure | None, place: Place = NAS) -> Health:
    """The health after looks at something in `place` that failed so, or did not."""
    health = Health()
    for failure in failures:
        health.note(place, failure)
    return health


@pytest.mark.parametrize("failure", [IO_ERROR, GONE])
def test_a_place_is_given_up_at_the_fifth_error_in_a_row(failure: Failure) -> None:
    assert health_after(*[failure] * 4).given_up(NAS) is None
    assert health_after(*[failure] * 5).given_up(NAS) == failure


def test_a_place_is_given_up_at_the_third_look_in_a_row_that_hangs() -> None:
    assert health_after(*[NO_ANSWER] * 2).given_up(NAS) is None
    assert health_after(*[NO_ANSWER] * 3).given_up(NAS) == NO_ANSWER


def test_errors_of_several_kinds_count_together() -> None:
    assert health_after(IO_ERROR, GONE, NO_ANSWER, IO_ERROR).given_up(NAS) == IO_ERROR


def test_a_look_that_does_not_fail_begins_a_new_row() -> None:
    assert health_after(*[IO_ERROR] * 4, None, *[IO_ERROR] * 4).given_up(NAS) is None


@pytest.mark.parametrize("reason", ["permission-denied", "not-found", "invalid-data", "empty-file", "os-error"])
def test_failures_of_single_files_are_an_answer(reason: str) -> None:
    failure = Failure("stat", reason, "no matter what")

    assert health_after(*[failure] * 100).given_up(NAS) is None
    assert health_after(*[IO_ERROR] * 4, failure, IO_ERROR).given_up(NAS) is None


def test_a_place_that_is_given_up_stays_so_for_what_it_was() -> None:
    assert health_after(*[IO_ERROR] * 5, GONE, None).given_up(NAS) == IO_ERROR


def test_each_place_has_a_row_of_its_own() -> None:
    health = Health()
    for _ in range(5):
        health.note(NAS, IO_ERROR)
        health.note(OTHER_NAS, None)

    assert health.given_up(NAS)
    assert not health.given_up(OTHER_NAS)


def test_folders_may_be_listed_of_which_no_file_can_be_read() -> None:
    health = Health()
    for _ in range(5):
        health.note(NAS, IO_ERROR, of_content=True)
        health.note(NAS, None)

    assert health.given_up(NAS)


@pytest.mark.parametrize("failure", [GONE, NO_ANSWER])
def test_with_a_share_that_does_not_answer_all_places_on_it_are_given_up(failure: Failure) -> None:
    health = health_after(*[failure] * 5)

    assert health.given_up(NAS_TOO) == failure
    assert not health.given_up(OTHER_NAS)


def test_errors_in_one_place_say_nothing_of_others_on_the_same_mount() -> None:
    assert not health_after(*[IO_ERROR] * 5).given_up(NAS_TOO)
    assert not health_after(*[GONE] * 5, place=DISK).given_up(DISK_TOO)


def test_a_place_is_doubtful_between_an_error_in_a_file_and_a_file_that_can_be_read() -> None:
    health = Health()
    health.note(NAS, IO_ERROR)
    assert not health.is_doubtful(NAS)

    health.note(NAS, IO_ERROR, of_content=True)
    assert health.is_doubtful(NAS)

    health.note(NAS, None, of_content=True)
    assert not health.is_doubtful(NAS)
