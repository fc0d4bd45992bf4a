"""The program of a scan's process: an order comes in on standard input, reports go out on standard output.

The first report is made as soon as the scan has a number, more follow once a second, and the last one at the end. The
scan is ended early, with all that is finished stored, when the input ends: its server wants that, or is gone. So it is
by SIGTERM, which a service manager may send to all processes of a service at once.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import closing, suppress
from typing import IO, TYPE_CHECKING

from qacache import logs
from qacache.assembly import make_crew, make_options, open_store
from qacache.errors import QacacheError
from qacache.probe.timed import TimedProber
from qacache.scan.pipeline import Scan
from qacache.serve.scanning.reports import End, Order, Report, receive, send
from qacache.serve.scanning.tally import Tally
from qacache.store.checkup import checkpoint

if TYPE_CHECKING:
    from qacache.config import Config
    from qacache.store.session import Store

_LOG = logging.getLogger(__name__)
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_REPORT_S = 1.0


def main() -> None:
    """Scan as ordered. Does not come back."""
    # Ctrl-C is for the server, which ends its input
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders, reports = os.fdopen(os.dup(_STDIN), "rb"), os.fdopen(os.dup(_STDOUT), "wb")
    # whatever a library prints is no report
    os.dup2(_STDERR, _STDOUT)
    order = receive(orders)
    if not isinstance(order, Order):
        raise TypeError(order)
    with logs.set_up(order.config.log, os.environ):
        status = _Run(order, orders, reports).run()
    # a thread that reads from a dead mount never ends, and Python would wait for it
    os._exit(status)


class _Run:
    """One scan, and who is told of it."""

    def __init__(self, order: Order, orders: IO[bytes], reports: IO[bytes]) -> None:
        self._order = order
        self._orders = orders
        self._reports = reports
        self._tally = Tally()

    def run(self) -> int:
        """Scan; return the exit status."""
        error: QacacheError | None = None
        try:
            self._scan(self._order.config)
        except QacacheError as known:
            error = known
        except Exception:
            _LOG.exception("the scan failed")
            return 1
        self._tell(End(error))
        return 0

    def _scan(self, config: Config) -> None:
        crew = make_crew(config, lambda prober: TimedProber(prober, self._tally.probed))
        with open_store(config) as store:
            scan = Scan(store, crew, make_options(config, **self._order.options))
            signal.signal(signal.SIGTERM, lambda number, frame: scan.stop())
            threading.Thread(target=self._stop_with_input, args=(scan,), name="orders", daemon=True).start()
            try:
                self._follow(scan, store)
            finally:
                self._tell(Report(scan.summary, self._tally.taken(), is_last=True))

    def _stop_with_input(self, scan: Scan) -> None:
        self._orders.read()
        scan.stop()

    def _follow(self, scan: Scan, store: Store) -> None:
        db = self._order.config.db
        due_s, folded = 0.0, 0
        with closing(scan.events(self._order.roots)) as events:
            for event in events:
                self._tally.seen(event)
                if time.monotonic() >= due_s and scan.summary.scan_id is not None:
                    self._tell(Report(scan.summary, self._tally.taken()))
                    due_s = time.monotonic() + _REPORT_S
                if db.checkpoint_every and store.writer.batches - folded >= db.checkpoint_every:
                    checkpoint(db.path, db.busy_timeout_s)
                    folded = store.writer.batches

    def _tell(self, message: Report | End) -> None:
        # where the server is gone, the input has ended as well
        with suppress(OSError):
            send(message, self._reports)
