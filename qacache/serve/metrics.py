"""Metrics: what happens is folded into numbers, which a Prometheus asks for.

In: requests that were answered, look-ups, what was counted in scans. Out: the text that a scrape gets.
Whatever a label can be is known beforehand: no path, tag, address or message of an error is ever in one. A scrape asks
neither SQLite nor a library: of the store, `os.stat` says how large its files are, which are on a local disk.
"""

from __future__ import annotations

import os
import platform
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from qacache import __version__
from qacache.events import ScanState
from qacache.models import Reason
from qacache.store.checkup import SQLITE_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.metrics_core import Metric

    from qacache.events import Summary
    from qacache.lookup import Answer
    from qacache.serve.application import Exchange
    from qacache.serve.broadcast import Counts
    from qacache.serve.heads import BadRequest
    from qacache.serve.jobs import RunningScan
    from qacache.serve.scanning.tally import Tally

Job = Literal["scan", "vacuum", "checkpoint", "backup"]
"""What is done again and again, and is missed when it is not."""

Labelled = TypeVar("Labelled", Counter, Histogram)

_OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", _OTHER})
"""What requests are told apart by; the method of a request is whatever the client calls it."""

_OUTCOMES = ("unchanged", "probed", "reused", "failed", "vanished", "unstable")
_RESULTS = ("hit", "miss", "stale")
_CHECKPOINTS = ("complete", "incomplete")
_PROBERS = ("libav", "ffprobe")
_PROBE_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SCAN_S = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
# The client puts a version that it is asked for into its answer, whatever it is, and raises where it is no number.
_FORMAT = re.compile(
    r"(?:text/plain|application/openmetrics-text)"
    r"(?:;(?:version=(?:0\.0\.[14]|1\.0\.0)|escaping=(?:allow-utf-8|underscores|dots)|charset=utf-8|q=[01](?:\.\d{1,3})?))*"
)


class Metrics:
    """All numbers there are; for any thread. A `qacache.serve.jobs.Watcher`, of one scan at a time.

    `followers` counts those who follow the events; `libav` is the version of FFmpeg's libraries, empty without any.
    """

    def __init__(
        self,
        store_path: str,
        *,
        followers: Callable[[], Counts],
        libav: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        # a series more for each counter, of which nothing reads anything
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the client forgot to say that it returns nothing
        self._clock = clock
        self._registry = CollectorRegistry()
        self._known_http: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._make_http(self._registry)
        self._registry.register(_Followers(followers))
        self._make_scans(self._registry)
        self._make_store(self._registry, store_path)
        _tell_build(self._registry, libav)

    def exposition(self, accept: str = "") -> tuple[str, bytes]:
        """Return the content type and the body of an answer to a scrape, in the best format that `accept` names."""
        named = (part.replace(" ", "").lower() for part in accept.split(","))
        encode, content_type = choose_encoder(",".join(part for part in named if _FORMAT.fullmatch(part)))
        return content_type, encode(self._registry)

    def answered(self, exchange: Exchange) -> None:
        """Count a request that was answered."""
        requests, request_s = self._http(exchange)
        requests.inc()
        request_s.observe(exchange.duration_s)
        self._sent_bytes.inc(exchange.sent_bytes)

    def refused(self, error: BadRequest) -> None:
        """Count what came and was no request, or came at the wrong time."""
        self._refused.labels(str(error.status.value)).inc()

    def looked_up(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """Yield all `answers`, and count them: however many are taken, once no more are."""
        counts = dict.fromkeys(_RESULTS, 0)
        try:
            for answer in answers:
                counts[_result(answer)] += 1
                yield answer
        finally:
            for result, count in counts.items():
                if count:
                    self._lookups.labels(result).inc(count)

    def began(self, run: RunningScan) -> None:
        """Note that a scan runs."""
        # not one more: of a scan of which nothing came, the end alone is told
        self._running.set(1)

    def advanced(self, run: RunningScan) -> None:
        """Do nothing: all that a scan sees is counted as it is seen."""

    def counted(self, tally: Tally) -> None:
        """Count what became of files, and how long their probes took."""
        for name in _OUTCOMES:
            self._files.labels(name).inc(tally.files[name])
        for reason, count in tally.failures.items():
            self._failures.labels(reason).inc(count)
        self._digest_bytes.inc(tally.digest_bytes)
        for prober, duration_s in tally.probes:
            self._probe_s.labels(prober if prober in _PROBERS else _OTHER).observe(duration_s)

    def ended(self, run: RunningScan) -> None:
        """Count a scan that has ended, and how."""
        self._running.set(0)
        if summary := run.summary:
            self._scan_s.labels(summary.state).observe(summary.duration_s)
            if _is_whole(summary) and not run.error:
                self.succeeded("scan")

    def batch_failed(self) -> None:
        """Count results that could not be stored."""
        self._batch_errors.inc()

    def succeeded(self, job: Job, at_s: float | None = None) -> None:
        """Note that `job` was done, now or at `at_s`, seconds since the epoch."""
        self._last_success.labels(job).set(self._clock() if at_s is None else at_s)

    def checkpointed(self, *, is_complete: bool) -> None:
        """Count a checkpoint; one is complete where no reader kept it from moving all there was."""
        self._checkpoints.labels("complete" if is_complete else "incomplete").inc()

    def _http(self, exchange: Exchange) -> tuple[Counter, Histogram]:
        """Return the series of such requests: to look them up by their labels takes most of the time otherwise."""
        route = exchange.template or _OTHER
        method = exchange.method if exchange.method in METHODS else _OTHER
        key = route, method, exchange.status // 100
        series = self._known_http.get(key)
        if series is None:
            series = self._requests.labels(route, method, f"{key[2]}xx"), self._request_s.labels(route)
            self._known_http[key] = series
        return series

    def _make_http(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "qacache_http_requests",
            "Requests that were answered.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._request_s = Histogram(
            "qacache_http_request_duration_seconds",
            "How long requests took, from when all of one was there until the last byte of its answer was sent.",
            ["route"],
            buckets=_REQUEST_S,
            registry=registry,
        )
        self._sent_bytes = Counter("qacache_http_sent_bytes", "Bytes of answers, with their heads.", registry=registry)
        self._refused = Counter(
            "qacache_http_refused_requests",
            "What was no request, or came at the wrong time, and was refused by this status.",
            ["status"],
            registry=registry,
        )
        self._lookups = _ready(
            Counter(
                "qacache_lookups",
                "Files that were looked up: known, not known, or known to have vanished since (stale).",
                ["result"],
                registry=registry,
            ),
            _RESULTS,
        )

    def _make_scans(self, registry: CollectorRegistry) -> None:
        self._running = Gauge("qacache_scans_running", "Scans that this server runs now.", registry=registry)
        self._scan_s = _ready(
            Histogram(
                "qacache_scan_duration_seconds",
                "How long the scans of this server took, by how they ended.",
                ["state"],
                buckets=_SCAN_S,
                registry=registry,
            ),
            get_args(ScanState),
        )
        self._files = _ready(
            Counter(
                "qacache_scan_files",
                "Files by what became of them, in scans and when they were probed again.",
                ["outcome"],
                registry=registry,
            ),
            _OUTCOMES,
        )
        self._failures = _ready(
            Counter(
                "qacache_scan_failures",
                "Files that could not be described, and folders that could not be listed.",
                ["reason"],
                registry=registry,
            ),
            get_args(Reason),
        )
        self._digest_bytes = Counter(
            "qacache_digest_bytes",
            "Bytes that were read for the digests of files that were new or had changed.",
            registry=registry,
        )
        self._probe_s = _ready(
            Histogram(
                "qacache_probe_duration_seconds",
                "How long probes took that nobody cancelled.",
                ["prober"],
                buckets=_PROBE_S,
                registry=registry,
            ),
            _PROBERS,
        )

    def _make_store(self, registry: CollectorRegistry, path: str) -> None:
        self._batch_errors = Counter(
            "qacache_batch_errors",
            "Batches of results of a scan that could not be stored.",
            registry=registry,
        )
        self._checkpoints = _ready(
            Counter(
                "qacache_wal_checkpoints",
                "Checkpoints that this server made; a reader kept an incomplete one from its end.",
                ["result"],
                registry=registry,
            ),
            _CHECKPOINTS,
        )
        self._last_success = Gauge(
            "qacache_last_success_timestamp_seconds",
            "When this was last done to its end, in seconds since the epoch.",
            ["job"],
            registry=registry,
        )
        registry.register(_StoreFiles(path))


class _Followers(Collector):
    """How many follow the events when somebody asks, and how that goes."""

    def __init__(self, counts: Callable[[], Counts]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        clients, dropped, failures = self._counts()
        yield GaugeMetricFamily("qacache_sse_clients", "Clients that follow the events now.", clients)
        yield CounterMetricFamily(
            "qacache_sse_events_dropped", "Events that a client did not get, as it took them in too slowly.", dropped
        )
        yield CounterMetricFamily(
            "qacache_sse_broadcast_failures", "Events that could not be sent, as the client was gone.", failures
        )


class _StoreFiles(Collector):
    """How large the files of a store are when somebody asks; nothing of one whose size cannot be had."""

    def __init__(self, path: str) -> None:
        self._path = path

    def collect(self) -> Iterator[Metric]:
        database = GaugeMetricFamily("qacache_database_bytes", "Size of the database's file.")
        log = GaugeMetricFamily("qacache_wal_bytes", "Size of the write-ahead log's file, zero where there is none.")
        with suppress(OSError):
            database.add_metric([], os.stat(self._path).st_size)
            log.add_metric([], _size_if_there(f"{self._path}-wal"))
        yield database
        yield log


def _tell_build(registry: CollectorRegistry, libav: str) -> None:
    build = Info("qacache_build", "The versions that this server runs with; the value is always 1.", registry=registry)
    build.info(
        {
            "version": __version__,
            "sqlite": ".".join(map(str, SQLITE_VERSION)),
            "python": platform.python_version(),
            "libav": libav,
        }
    )


def _ready(metric: Labelled, values: Iterable[str]) -> Labelled:
    """Return `metric` with a series for each of `values` of its label: a rate wants to see them begin at zero."""
    for value in values:
        metric.labels(value)
    return metric


def _size_if_there(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _is_whole(summary: Summary) -> bool:
    return summary.state == "complete" and not summary.refused and not summary.incomplete


def _result(answer: Answer) -> str:
    if answer.found is None:
        return "miss"
    return "stale" if answer.found.status == "vanished" else "hit"
