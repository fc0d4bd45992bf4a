"""Runs of a server: a scan, or files that are probed again there, followed from here as if they ran here.

In: folders, or files. Out: the events of `qacache.events`. Of a scan a server tells numbers, and no event a file: what
failed is asked for at its end.
"""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from qacache.client.listings import failures
from qacache.client.pages import listed
from qacache.errors import RootRefused, ServerDenied, ServerError, ServerHasNone, ServerUnreachable, UsageError
from qacache.event_record import event_of, summary_of
from qacache.events import Failed, Summary, Waiting
from qacache.models import Failure
from qacache.record import BadRecord
from qacache.times import iso_time_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from qacache.client.line import Line
    from qacache.client.server import Server
    from qacache.events import Event

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5
# for so long a scan is followed although the server does not answer, as when a laptop changes its network
_PATIENCE_S = 60.0

_MAY_GO_ON = "it may go on there: qacache scans says so once the server answers"
_REFUSED = "check on the server that the folder is there; if this is how it is to be, say so with --accept-shrink"
_NOT_THERE = "a server looks only at and below its own scan.roots, and what was scanned before"


class RemoteScan:
    """A scan that a server runs. `roots` are folders, all that the server is configured for where there are none.

    `options` are those of the request (`force`...). A scan that is stopped is cancelled there.
    """

    def __init__(
        self,
        server: Server,
        roots: Sequence[bytes],
        options: Mapping[str, bool],
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.summary = Summary()
        self._server = server
        self._roots = roots
        self._options = options
        self._sleep = sleep
        self._pause_s = _FIRST_PAUSE_S
        self._monotonic = monotonic
        self._until_s = monotonic() + _PATIENCE_S
        self._is_stopping = False
        self._is_cancelled = False

    def stop(self) -> None:
        """Have the scan cancelled when it is next asked about."""
        self._is_stopping = True

    def slowest(self) -> tuple[bytes, float]:
        """Return nothing that would be worth a line: which file holds it up, the server does not tell."""
        return b"", 0.0

    def events(self) -> Generator[Event, None, None]:
        """Begin the scan and follow it to its end; yield `Waiting` meanwhile, and then what failed.

        Raises `StoreLocked` where another scan runs, `RootRefused`, and `ServerError`s.
        """
        told = self._begin()
        while told.get("state") == "running":
            yield Waiting()
            told = self._later(told)
            self.summary = _summary(told)
        self.summary = _summary(told)
        yield from self._failed(told)
        if self.summary.refused:
            raise RootRefused("\n".join(self.summary.refused), hint=_REFUSED)
        if isinstance(error := told.get("error"), str):
            raise ServerError(f"{self._server.url}: the scan failed: {error}")

    def _later(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is told of the scan a moment later; this is where it is cancelled."""
        scan_id = told.get("scan_id")
        if self._is_stopping and not self._is_cancelled and scan_id is not None:
            self._is_cancelled = True
            self._cancel(scan_id)
        else:
            self._pause()
        return self._newest(told) if scan_id is None else self._ask(f"/scans/{scan_id}")

    def _cancel(self, scan_id: object) -> None:
        try:
            self._server.delete(f"/scans/{scan_id}")
        except (ServerUnreachable, ServerDenied):
            raise
        except ServerError:
            return  # it has ended by itself, as is seen next

    def _pause(self) -> None:
        # most scans of a library that is known take less than a second
        self._sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def _newest(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the scan that has a number by now, `told` where it still has none, as while a root does not answer."""
        scans = listed(self._server.get("/scans", [("limit", "1")]), "scans")
        is_ours = bool(scans) and str(scans[0].get("started")) >= str(told.get("started_at"))
        if not is_ours and self._monotonic() > self._until_s:
            raise ServerUnreachable(f"{self._server.url}: the scan does not begin", hint=_MAY_GO_ON)
        return scans[0] if is_ours else told

    def _begin(self) -> Mapping[str, Any]:
        asked: dict[str, Any] = {name: value for name, value in self._options.items() if value}
        if self._roots:
            # as JSON has it, a name that is no UTF-8 is one with surrogates
            asked["roots"] = [os.fsdecode(root) for root in self._roots]
        try:
            return self._server.post("/scans", asked)
        except ServerHasNone as error:
            raise RootRefused(f"{self._server.url} does not scan that", hint=_NOT_THERE) from error

    def _ask(self, path: str) -> Mapping[str, Any]:
        """Return what is told there; the server may be out of reach, or busy, for a while."""
        deadline = self._monotonic() + _PATIENCE_S
        while True:
            try:
                return self._server.get(path)
            except (ServerDenied, ServerHasNone):
                raise
            except ServerError as error:
                if self._is_stopping or self._monotonic() > deadline:
                    raise type(error)(str(error), hint=_MAY_GO_ON) from error
            self._pause()

    def _failed(self, told: Mapping[str, Any]) -> Iterator[Event]:
        """Yield what failed in the scan, as far as the server tells."""
        began = told.get("started") or told.get("started_at")
        if not self.summary.failed or not isinstance(began, str):
            return
        with suppress(ServerHasNone):  # the listener for operators has no lists of files
            for each in failures(self._server, self._roots, since_ms=iso_time_ms(began)):
                yield Failed(each.path, Failure(each.stage, each.reason, each.message))  # type: ignore[arg-type]


class RemoteRefresh:
    """Files that a server probes again. What is asked for is a path of the API, and a body: see `Server.events`.

    Where it is stopped, the connection ends, and with it the run: what is finished by then is stored there.
    """

    def __init__(self, server: Server, path: str, asked: object) -> None:
        self.summary = Summary(state="interrupted")
        self._server = server
        self._path = path
        self._asked = asked
        self._is_stopping = False
        self._line: Line | None = None

    def stop(self) -> None:
        """End it."""
        self._is_stopping = True
        if self._line:
            self._line.hang_up()

    def slowest(self) -> tuple[bytes, float]:
        """Return nothing that would be worth a line, as `RemoteScan.slowest` does."""
        return b"", 0.0

    def events(self) -> Generator[Event, None, None]:
        """Yield what became of each file, as it happens. Raises `UsageError` for what the server may not look at."""
        began = time.monotonic()
        try:
            with closing(self._server.events(self._path, self._asked, self._take)) as objects:
                yield from self._followed(objects)
        except ServerHasNone as error:
            raise UsageError(f"{self._server.url} does not look there", hint=_NOT_THERE) from error
        except ServerUnreachable:
            if not self._is_stopping:
                raise
            self.summary.duration_s = time.monotonic() - began

    def _take(self, line: Line) -> None:
        self._line = line
        if self._is_stopping:
            line.hang_up()

    def _followed(self, objects: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
        is_whole = False
        for told in objects:
            if told.get("event") == "summary":
                self.summary, is_whole = _summary(told), True
                continue
            event = _event(told)
            if event is not None:
                self.summary.add(event)
                self.summary.found = self.summary.done
                yield event
        if not is_whole:
            raise ServerUnreachable(f"{self._server.url} broke off before the end")


def _event(told: Mapping[str, Any]) -> Event | None:
    try:
        return event_of(told)
    except BadRecord as error:
        raise ServerError(f"an event of the server cannot be read: {error}") from error


def _summary(told: Mapping[str, Any]) -> Summary:
    summary = summary_of(told)
    if told.get("state") == "running":
        summary.duration_s = 0.0
    return summary
