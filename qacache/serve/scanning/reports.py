"""What goes between the server and the process of its scan: an order there, reports back, and the end.

They are pickled: both sides are this program, and nobody else has the pipes.
"""

from __future__ import annotations

import pickle
from typing import IO, TYPE_CHECKING, NamedTuple

from qacache.errors import QacacheError
from qacache.events import Summary
from qacache.serve.scanning.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qacache.config import Config


class Order(NamedTuple):
    """What to scan and how; `options` are those of `qacache.assembly.make_options`."""

    config: Config
    roots: Sequence[bytes]
    options: Mapping[str, bool]


class Report(NamedTuple):
    """How far a scan is, and what was counted since the last report; after one that `is_last` there is only the end."""

    summary: Summary
    tally: Tally
    is_last: bool = False


class End(NamedTuple):
    """The scan is over, by this error if there is one."""

    error: QacacheError | None


def send(message: Order | Report | End, stream: IO[bytes]) -> None:
    """Write a message; raises `OSError` where nobody reads any more."""
    pickle.dump(message, stream, pickle.HIGHEST_PROTOCOL)
    stream.flush()


def receive(stream: IO[bytes]) -> object:
    """Return the next message; raises `EOFError` where there is none, or no whole one."""
    try:
        return pickle.load(stream)  # noqa: S301  # from this program's own process
    except pickle.UnpicklingError as error:
        raise EOFError from error
