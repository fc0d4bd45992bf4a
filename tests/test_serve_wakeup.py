"""The wake-up: ready once somebody woke it up, however often, and harmless afterwards."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from qacache.serve.wakeup import Wakeup


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    wakeup = Wakeup()
    yield wakeup
    wakeup.close()


def is_ready(wakeup: Wakeup) -> bool:
    return bool(select.select([wakeup], [], [], 0)[0])


def test_it_is_ready_from_wake_to_clear(wakeup: Wakeup) -> None:
    assert not is_ready(wakeup)
    wakeup.wake()
    wakeup.wake()
    assert is_ready(wakeup)
    wakeup.clear()
    assert not is_ready(wakeup)
    wakeup.clear()


def test_nobody_waits_however_often_it_is_woken_up(wakeup: Wakeup) -> None:
    for _ in range(100_000):
        wakeup.wake()
    assert is_ready(wakeup)


def test_to_wake_up_what_is_closed_writes_to_nobody_elses_file() -> None:
    wakeup = Wakeup()
    numbers = {wakeup.fileno(), wakeup._writer}
    wakeup.close()
    reader, writer = os.pipe()
    assert {reader, writer} == numbers

    wakeup.wake()

    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_programs_that_are_started_do_not_get_it(wakeup: Wakeup) -> None:
    assert not os.get_inheritable(wakeup.fileno())
