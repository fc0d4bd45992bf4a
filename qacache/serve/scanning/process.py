"""The process of a scan, as the server has it: it is started with an order, reports, and is told to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from qacache.errors import QacacheError
from qacache.interpreter import module_folders
from qacache.serve.scanning.reports import End, Report, receive, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.serve.scanning.reports import Order

# How long a process may take to be gone once it has said its last.
_DEATH_S = 2.0
# Not where it happens to be, but where this process has its modules from.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from qacache.serve.scanning.child import main; main()"


class ScanProcess:
    """One scan, from its start until it is over; raises `QacacheError` where the process cannot be started."""

    def __init__(self, order: Order) -> None:
        argv = [sys.executable, "-P", "-c", _PROGRAM, *module_folders()]
        try:
            # a group of its own: Ctrl-C in a terminal is for the server
            self._child = subprocess.Popen(  # noqa: S603  # this interpreter, with a program of our own
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
            )
        except OSError as error:
            raise QacacheError(f"no process for the scan: {error.strerror}") from error
        assert self._child.stdin and self._child.stdout
        self._orders, self._answers = self._child.stdin, self._child.stdout
        self._lock = threading.Lock()
        # one that died already is found out when it reports nothing
        with suppress(OSError):
            send(order, self._orders)

    def reports(self) -> Iterator[Report]:
        """Yield what it reports until it is over; raises the `QacacheError` that ended it, if one did."""
        try:
            while not isinstance(message := receive(self._answers), End):
                assert isinstance(message, Report)
                yield message
        except (EOFError, OSError) as error:
            raise QacacheError(f"the scan's process died: {self._how_it_ended()}") from error
        finally:
            self._answers.close()
            self.stop()
        self._wait()
        if message.error:
            raise message.error

    def stop(self) -> None:
        """Have it end early, with all that is finished stored. For any thread, and more than once."""
        with self._lock, suppress(OSError):
            self._orders.close()

    def kill(self) -> None:
        """End it here and now."""
        self._child.kill()

    def _wait(self) -> int | None:
        """Return its exit status; None where it hangs in the kernel on a dead mount, which not even SIGKILL ends."""
        try:
            return self._child.wait(_DEATH_S)
        except subprocess.TimeoutExpired:
            threading.Thread(target=self._child.wait, name="reaper", daemon=True).start()
            return None

    def _how_it_ended(self) -> str:
        status = self._wait()
        if status is None:
            return "it hangs"
        if status >= 0:
            return f"exit status {status}"
        return signal.strsignal(-status) or f"signal {-status}"
