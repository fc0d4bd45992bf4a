"""Signals that ask a command to stop: the first one lets it end in order, the second one ends it at once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def stop_signals(on_first: Callable[[], object]) -> Iterator[None]:
    """Call `on_first` at the first Ctrl-C, SIGTERM or end of the terminal in the block; each is as before after it."""

    def on_signal(number: int, frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        on_first()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup(1) wants it to go on
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
