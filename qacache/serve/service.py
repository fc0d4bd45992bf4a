"""The service: all of the server put together, run until it is to stop, and taken down in order.

In: the configuration. It listens from `start` on; `run` comes back after SIGTERM or SIGINT, when all is done that was
asked by then, or the time for that is up. SIGHUP has the tokens read again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from qacache import __version__
from qacache.errors import QacacheError
from qacache.pathmap import Translation
from qacache.serve.access import Gate
from qacache.serve.addresses import OPS, PUBLIC, addresses_of, refuse_strangers, rules_of
from qacache.serve.api.catalog import routes
from qacache.serve.application import Application, Door
from qacache.serve.broadcast import Broadcast
from qacache.serve.connection import Deadlines
from qacache.serve.etags import StoreVersions
from qacache.serve.events import Announcer
from qacache.serve.jobs import Jobs
from qacache.serve.messages import json_response
from qacache.serve.metrics import Metrics
from qacache.serve.openapi import document
from qacache.serve.reactor import Rooms
from qacache.serve.readers import Readers
from qacache.serve.routes import Table
from qacache.serve.server import Limits, Server
from qacache.serve.services import Services
from qacache.serve.tokens import Token, read_tokens
from qacache.serve.upkeep import Upkeep
from qacache.serve.watch import Watch
from qacache.store import migrations
from qacache.store.checkup import checkpoint
from qacache.store.database import exists
from qacache.store.history import History
from qacache.versions import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qacache.config import Config
    from qacache.serve.application import Exchange
    from qacache.serve.heads import BadRequest
    from qacache.serve.notify import Handed, Notifier

_LOG = logging.getLogger(__name__)
_BACKLOG_PER_WORKER = 16
_HARD_STOP_S = 2.0


class Service:
    """The server of one store. Owns all that it is made of, and the sockets that it was `handed`.

    These are listened on instead of what is configured: those called `ops` where operators ask, all others where
    everybody does.

    Raises `UsageError` where the configuration would let strangers in, or an address cannot be listened on;
    `ConfigError` for tokens that cannot be read, and for metrics in the place of something else; `StoreError`s where
    the store is none.
    """

    def __init__(
        self, config: Config, notifier: Notifier, *, credentials: str = "", handed: Sequence[Handed] = ()
    ) -> None:
        self._config = config
        self._notifier = notifier
        self._token_file = config.server.token_file or _credential(credentials)
        self._stopping = threading.Event()
        self._must_reload = threading.Event()
        every = routes(config.metrics.path)
        if not exists(config.db.path):
            migrations.create(config.db.path, config.db.busy_timeout_s)
        addresses = addresses_of(config, handed)
        tokens = self._tokens()
        for address in addresses:
            refuse_strangers(address, config, has_tokens=tokens is not None)
        about = versions(config.ffprobe)
        self._broadcast = Broadcast(self._snapshot, most_clients=config.server.event_clients)
        self._metrics = Metrics(config.db.path, followers=self._broadcast.counts, libav=str(about.get("libav") or ""))
        self._tell_last_scan()
        self._jobs = Jobs(config, Announcer(self._broadcast, self._metrics))
        self._watch = Watch(config)
        self._upkeep = Upkeep(config, self._jobs, self._metrics)
        self._services = Services(
            config=config,
            readers=Readers(config.db.path),
            paths=Translation(config.paths.map),
            versions=StoreVersions(config.db.path),
            jobs=self._jobs,
            broadcast=self._broadcast,
            readiness=self._watch,
            metrics=self._metrics,
            about=about,
            openapi=json_response(document(every, __version__, has_tokens=tokens is not None)),
        )
        names = {address.name for address in addresses}
        is_shared = OPS not in names
        self._gates = {name: Gate(rules_of(config, name, addresses, tokens)) for name in names}
        tables = {
            PUBLIC: Table(route for route in every if is_shared or route.is_public),
            OPS: Table(route for route in every if route.is_ops),
        }
        application = Application(
            self._services,
            {name: Door(tables[name], gate) for name, gate in self._gates.items()},
            most_long=max(1, config.server.workers // 2),
            told=self._told,
            refused=self._refused,
            failed=self._failed,
        )
        limits = Limits(
            workers=config.server.workers,
            backlog=config.server.workers * _BACKLOG_PER_WORKER,
            deadlines=Deadlines(),
            rooms=Rooms(connections=config.server.max_connections),
        )
        self._server = Server(application, addresses, limits, lambda: self._jobs.running is not None)

    @property
    def ports(self) -> Sequence[int]:
        """The ports that are listened on."""
        return [listener.port for listener in self._server.listeners]

    def run(self) -> bool:
        """Answer until SIGTERM or SIGINT; return whether all came to its end within its time.

        A second SIGINT ends the process here and now: what was probed by then is stored all the same.
        """
        signal.signal(signal.SIGTERM, lambda number, frame: self._stopping.set())
        signal.signal(signal.SIGINT, self._interrupted)
        signal.signal(signal.SIGHUP, lambda number, frame: self._must_reload.set())
        self.start()
        beats: tuple[int, ...] = ()
        tick_s = min(self._notifier.watchdog_s or 1.0, 2.0) / 2
        while not self._stopping.wait(tick_s):
            if self._must_reload.is_set():
                self._must_reload.clear()
                self._reload()
            # of what hangs, the number stays
            before, beats = beats, self._server.beats
            if all(now != then for now, then in zip(beats, before, strict=False)):
                self._notifier.watchdog()
        return self.stop()

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()
        self._upkeep.start()
        self._notifier.ready()
        for listener in self._server.listeners:
            _LOG.info("listening on %s", listener.url)

    def stop(self) -> bool:
        """Take no more requests, end what runs, and fold the log into the store; return whether all ended in time."""
        began_s = time.monotonic()
        self._watch.is_stopping = True
        self._notifier.stopping()
        _LOG.info("stopping")
        deadline = began_s + self._config.server.drain_s

        def left_s() -> float:
            return max(0.0, deadline - time.monotonic())

        self._upkeep.close(0.0)
        self._broadcast.close()
        # told before, lest answers that wait for them keep the server waiting; waited for afterwards
        self._jobs.stop()
        is_answered = self._server.stop(max(left_s(), _HARD_STOP_S))
        is_scan_over = self._jobs.close(left_s())
        self._fold_log()
        _LOG.info("stopped", extra={"duration_ms": round((time.monotonic() - began_s) * 1000)})
        return is_scan_over and is_answered

    def _interrupted(self, number: int, _: object) -> None:
        self._stopping.set()
        signal.signal(number, signal.SIG_DFL)

    def _tell_last_scan(self) -> None:
        """Tell the metrics when all was well last: who is warned by it is not to be warned because this began anew."""
        with History(self._config.db.path) as history:
            for scan in history.scans():
                if scan.is_whole and scan.finished_ms is not None:
                    self._metrics.succeeded("scan", scan.finished_ms / 1000)
                    return

    def _fold_log(self) -> None:
        try:
            checkpoint(self._config.db.path, self._config.db.busy_timeout_s)
        except QacacheError as error:
            _LOG.warning("no checkpoint at the end: %s", error)

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            tokens = self._tokens()
        except QacacheError as error:
            _LOG.error("tokens stay as they were: %s", error)
        else:
            for gate in self._gates.values():
                gate.rules = gate.rules._replace(tokens=tokens)
            _LOG.info("tokens read again")
        self._notifier.ready()

    def _tokens(self) -> list[Token] | None:
        return read_tokens(self._token_file) if self._token_file else None

    def _snapshot(self) -> Mapping[str, object]:
        run = self._jobs.running
        return {"scan": run.to_dict() if run else None}

    def _told(self, exchange: Exchange) -> None:
        self._metrics.answered(exchange)
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug(
                "%s %s %d",
                exchange.method if exchange.method.isalpha() else "?",
                exchange.template or "-",
                exchange.status,
                extra={"request_id": exchange.request_id, "duration_ms": round(exchange.duration_s * 1000, 3)},
            )

    def _refused(self, error: BadRequest) -> None:
        self._metrics.refused(error)
        _LOG.debug("refused: %s", error)

    def _failed(self, request_id: str, error: Exception) -> None:
        _LOG.error("request failed: %s", error, extra={"request_id": request_id}, exc_info=error)


def _credential(folder: str) -> str:
    path = os.path.join(folder, "tokens") if folder else ""
    return path if path and os.path.exists(path) else ""
