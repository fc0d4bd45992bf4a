"""The metrics: what is counted, what a scrape gets, and that nobody can make more of them."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest

from qacache import __version__
from qacache.events import Event, Failed, Planned, Summary, Unchanged, Unstable, Vanished, Waiting
from qacache.lookup import Answer
from qacache.models import Failure
from qacache.probe.timed import TimedProber
from qacache.serve.application import Exchange
from qacache.serve.broadcast import Counts
from qacache.serve.heads import BadRequest
from qacache.serve.jobs import RunningScan
from qacache.serve.metrics import METHODS, Job, Metrics
from qacache.serve.scanning.tally import Tally
from qacache.store.reader import Found
from qacache.store.session import Store
from tests.fakes import FakeProber
from tests.libraries import prepare_scan
from tests.media import make_file
from tests.rows import failed, probed, reused

PROJECT = Path(__file__).parent.parent
DOCUMENTATION = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")
PATH = b"/library/a.mp4"
NOBODY = Counts(clients=0, dropped=0, failures=0)
NOW = 1_800_000_000.0

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# what Prometheus 3 asks for
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

ABOUT = re.compile(r"^# (HELP|TYPE) (\S+) (.+)$")
SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')
METRIC = re.compile(r"^\| `(\w+)` \| (\w+) \|(.*?)\| (.*) \|$", re.MULTILINE)
VALUES = re.compile(r"^\| `(\w+)` \| ([^|]+) \|$", re.MULTILINE)


class Family(NamedTuple):
    """A metric as it is told: its type, the names of its labels, and what it means."""

    kind: str
    labels: frozenset[str]
    meaning: str


@pytest.fixture
def store_file(tmp_path: Path) -> Path:
    path = tmp_path / "qacache.db"
    path.write_bytes(bytes(4096))
    return path


@pytest.fixture
def metrics(store_file: Path) -> Metrics:
    return make_metrics(store_file)


def make_metrics(store_file: Path, *, followers: Counts = NOBODY) -> Metrics:
    return Metrics(str(store_file), followers=lambda: followers, libav="8.1.2", clock=lambda: NOW)


def told(metrics: Metrics) -> dict[str, float]:
    """All series with their values."""
    _, body = metrics.exposition()
    found = (SERIES.match(line) for line in body.decode().splitlines() if not line.startswith("#"))
    return {f"{each[1]}{{{each[2]}}}" if each[2] else each[1]: float(each[3]) for each in found if each}


def families(metrics: Metrics) -> dict[str, Family]:
    """All metrics by their names, as a scrape without wishes sees them."""
    kinds, meanings = {}, {}
    labels: dict[str, set[str]] = {}
    for line in metrics.exposition()[1].decode().splitlines():
        if about := ABOUT.match(line):
            (meanings if about[1] == "HELP" else kinds)[about[2]] = about[3]
        elif series := SERIES.match(line):
            name = series[1] if series[1] in kinds else re.sub("_(bucket|sum|count)$", "", series[1])
            labels.setdefault(name, set()).update(label for label, _ in LABEL.findall(series[2] or ""))
    return {name: Family(kinds[name], frozenset(labels.get(name, set()) - {"le"}), meanings[name]) for name in kinds}


def exchange(template: str = "/api/v1/lookup", *, method: str = "GET", status: int = 200) -> Exchange:
    return Exchange("id", method, template, "192.0.2.1", status, sent_bytes=120, duration_s=0.004)


def answer(path: bytes, status: str | None) -> Answer:
    return Answer(path, None if status is None else Found(path, status, 0, 0, 0, ()))


def end(metrics: Metrics, error: str = "", **summary: Any) -> None:
    """Have a scan begin, and end as `summary` says."""
    run = RunningScan([b"/library"], NOW, Summary(scan_id=1, **summary), error)
    metrics.began(run)
    metrics.advanced(run)
    metrics.ended(run)


def count(metrics: Metrics, event: Event) -> None:
    tally = Tally()
    tally.seen(event)
    metrics.counted(tally.taken())


def use_all(metrics: Metrics) -> None:
    """Have every metric say something."""
    metrics.answered(exchange())
    metrics.refused(BadRequest(HTTPStatus.BAD_REQUEST, "no"))
    metrics.succeeded("backup")


# what is counted


def test_request_is_counted_by_route_method_and_class_of_status(metrics: Metrics) -> None:
    for status in (200, 204, 404):
        metrics.answered(exchange("/api/v1/scans/{id}", method="DELETE", status=status))

    series = told(metrics)

    route = 'route="/api/v1/scans/{id}"'
    assert series[f'qacache_http_requests_total{{method="DELETE",{route},status="2xx"}}'] == 2
    assert series[f'qacache_http_requests_total{{method="DELETE",{route},status="4xx"}}'] == 1
    assert series[f"qacache_http_request_duration_seconds_count{{{route}}}"] == 3
    assert series[f"qacache_http_request_duration_seconds_sum{{{route}}}"] == pytest.approx(0.012)
    assert series[f'qacache_http_request_duration_seconds_bucket{{le="0.0025",{route}}}'] == 0
    assert series[f'qacache_http_request_duration_seconds_bucket{{le="0.005",{route}}}'] == 3
    assert series["qacache_http_sent_bytes_total"] == 360


def test_request_for_nothing_that_is_there_by_an_odd_method_is_of_others(metrics: Metrics) -> None:
    metrics.answered(exchange("", method="BREW", status=404))

    assert told(metrics)['qacache_http_requests_total{method="other",route="other",status="4xx"}'] == 1


def test_refused_request_is_counted_by_its_status(metrics: Metrics) -> None:
    metrics.refused(BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too much"))

    assert told(metrics)['qacache_http_refused_requests_total{status="431"}'] == 1


def test_answers_of_look_ups_are_counted_as_they_pass(metrics: Metrics) -> None:
    answers = [answer(b"/a", "ok"), answer(b"/b", "failed"), answer(b"/c", None), answer(b"/d", "vanished")]

    passed = list(metrics.looked_up(answers))

    assert passed == answers
    series = told(metrics)
    assert [series[f'qacache_lookups_total{{result="{result}"}}'] for result in ("hit", "miss", "stale")] == [2, 1, 1]


def test_answers_that_nobody_took_are_not_counted(metrics: Metrics) -> None:
    passed = metrics.looked_up(answer(b"/%d" % number, "ok") for number in range(10))
    next(passed)
    next(passed)
    passed.close()

    assert told(metrics)['qacache_lookups_total{result="hit"}'] == 2


def test_clients_that_follow_are_counted_when_somebody_asks(store_file: Path) -> None:
    series = told(make_metrics(store_file, followers=Counts(clients=3, dropped=7, failures=2)))

    assert series["qacache_sse_clients"] == 3
    assert series["qacache_sse_events_dropped_total"] == 7
    assert series["qacache_sse_broadcast_failures_total"] == 2


def test_files_are_counted_by_what_became_of_them(metrics: Metrics) -> None:
    for event in (
        *[Unchanged([b"/a", b"/b", b"/c"]), Waiting(), probed(b"/d"), reused(b"/e", "a", b"/d"), failed(b"/f")],
        *[Vanished(b"/g"), Unstable(b"/h"), Failed(b"/i", Failure("list", "permission-denied", "no"))],
        Planned(b"/j", "new"),
    ):
        count(metrics, event)

    series = told(metrics)
    outcomes = ("unchanged", "probed", "reused", "failed", "vanished", "unstable")
    assert [series[f'qacache_scan_files_total{{outcome="{name}"}}'] for name in outcomes] == [3, 1, 1, 2, 1, 1]
    assert series['qacache_scan_failures_total{reason="invalid-data"}'] == 1
    assert series['qacache_scan_failures_total{reason="permission-denied"}'] == 1
    assert series['qacache_scan_failures_total{reason="timeout"}'] == 0


def test_digests_count_what_is_read_of_files_not_how_large_they_are(metrics: Metrics) -> None:
    whole, parts = 100_000, 40_000_000_000

    count(metrics, probed(b"/a", size=whole))
    count(metrics, reused(b"/b", "a", b"/a", size=parts))
    # of which nothing could be read
    count(metrics, Failed(b"/c", Failure("digest", "io-error", "no"), probed(b"/c").stat))

    assert told(metrics)["qacache_digest_bytes_total"] == whole + 3 * 65_536


def test_scan_runs_from_its_begin_to_its_end(metrics: Metrics) -> None:
    run = RunningScan([b"/library"], NOW)
    running = []
    for tell in (metrics.ended, metrics.began, metrics.ended):
        tell(run)
        running.append(told(metrics)["qacache_scans_running"])

    assert running == [0, 1, 0]


def test_whole_scan_is_a_success_that_took_its_time(metrics: Metrics) -> None:
    end(metrics, duration_s=400.0)

    series = told(metrics)
    assert series['qacache_last_success_timestamp_seconds{job="scan"}'] == NOW
    assert series['qacache_scan_duration_seconds_sum{state="complete"}'] == 400
    assert series['qacache_scan_duration_seconds_bucket{le="300.0",state="complete"}'] == 0
    assert series['qacache_scan_duration_seconds_bucket{le="900.0",state="complete"}'] == 1


@pytest.mark.parametrize(
    "how",
    [
        {"state": "interrupted"},
        {"state": "failed"},
        {"refused": ["/library is empty"]},
        {"incomplete": ["/library"]},
        {"error": "the disk is full"},
    ],
    ids=["interrupted", "failed", "root refused", "root given up", "error"],
)
def test_scan_that_did_not_see_all_is_no_success(metrics: Metrics, how: dict[str, Any]) -> None:
    end(metrics, **how)

    series = told(metrics)
    assert series[f'qacache_scan_duration_seconds_count{{state="{how.get("state", "complete")}"}}'] == 1
    assert not [name for name in series if name.startswith("qacache_last_success")]


def test_scan_of_real_files_is_counted_whole(metrics: Metrics, store: Store, library: Path) -> None:
    for name, content in (("a.mp4", b"A"), ("b.mp4", b"broken"), ("c.mp4", b"A"), ("d.mp4", b"")):
        make_file(library / name, content)
    tally = Tally()
    scan = prepare_scan(store, prober=TimedProber(FakeProber(version="ffprobe 5.1"), tally.probed))
    run = RunningScan([os.fsencode(library)], NOW, scan.summary)

    metrics.began(run)
    for event in scan.events(run.roots):
        tally.seen(event)
    metrics.counted(tally)
    metrics.ended(run)

    series = told(metrics)
    found = {name: series[f'qacache_scan_files_total{{outcome="{name}"}}'] for name in ("probed", "reused", "failed")}
    assert found == {name: getattr(scan.summary, name) for name in found}
    assert sum(found.values()) == 4
    assert series['qacache_scan_failures_total{reason="empty-file"}'] == 1
    assert series['qacache_probe_duration_seconds_count{prober="ffprobe"}'] >= 2
    assert series["qacache_digest_bytes_total"] == 1 + 6 + 1
    assert series['qacache_last_success_timestamp_seconds{job="scan"}'] == NOW


def test_results_that_cannot_be_stored_are_a_batch_error(metrics: Metrics) -> None:
    metrics.batch_failed()

    assert told(metrics)["qacache_batch_errors_total"] == 1


def test_probes_are_told_by_prober_in_buckets_up_to_two_minutes(metrics: Metrics) -> None:
    tally = Tally()
    tally.probed("ffprobe", 0.07)
    tally.probed("ffprobe", 61)
    metrics.counted(tally)

    series = told(metrics)

    bounds = ("0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "120.0", "+Inf")
    buckets = [series[f'qacache_probe_duration_seconds_bucket{{le="{le}",prober="ffprobe"}}'] for le in bounds]
    assert buckets == [0] + [1] * 9 + [2, 2]
    assert series['qacache_probe_duration_seconds_count{prober="libav"}'] == 0


def test_jobs_tell_when_they_were_last_done(metrics: Metrics) -> None:
    metrics.succeeded("backup")
    metrics.succeeded("vacuum", NOW - 3600)
    metrics.checkpointed(is_complete=True)
    metrics.checkpointed(is_complete=False)

    series = told(metrics)

    assert series['qacache_last_success_timestamp_seconds{job="backup"}'] == NOW
    assert series['qacache_last_success_timestamp_seconds{job="vacuum"}'] == NOW - 3600
    assert series['qacache_wal_checkpoints_total{result="complete"}'] == 1
    assert series['qacache_wal_checkpoints_total{result="incomplete"}'] == 1


def test_sizes_of_the_store_are_those_of_its_files_at_the_moment(metrics: Metrics, store_file: Path) -> None:
    without_log = told(metrics)
    log = store_file.with_name("qacache.db-wal")
    log.write_bytes(bytes(700))

    with_log = told(metrics)

    assert [without_log[name] for name in ("qacache_database_bytes", "qacache_wal_bytes")] == [4096, 0]
    assert [with_log[name] for name in ("qacache_database_bytes", "qacache_wal_bytes")] == [4096, 700]


def test_store_that_is_not_there_has_no_size(metrics: Metrics, store_file: Path) -> None:
    store_file.unlink()

    assert not told(metrics).keys() & {"qacache_database_bytes", "qacache_wal_bytes"}


def test_build_is_told(metrics: Metrics) -> None:
    (build,) = [name for name in told(metrics) if name.startswith("qacache_build_info")]

    labels = dict(LABEL.findall(build))
    assert labels.keys() == {"version", "sqlite", "python", "libav"}
    assert (labels["version"], labels["libav"]) == (__version__, "8.1.2")


def test_servers_do_not_share_what_they_count(metrics: Metrics, store_file: Path) -> None:
    metrics.batch_failed()

    assert told(make_metrics(store_file))["qacache_batch_errors_total"] == 0


# what a scrape gets


def test_plain_text_is_what_everybody_gets(metrics: Metrics) -> None:
    content_type, body = metrics.exposition()

    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"qacache_sse_clients 0.0\n" in body
    assert b"_created" not in body


@pytest.mark.parametrize("accept", [PROMETHEUS, "application/openmetrics-text", "text/html, " + OPENMETRICS])
def test_openmetrics_is_for_those_who_ask_for_it(metrics: Metrics, accept: str) -> None:
    content_type, body = metrics.exposition(accept)

    assert content_type.startswith(OPENMETRICS)
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=9.0.<script>",
        "application/openmetrics-text;version=1.0.0;escaping=\x7f",
        "text/plain;version=99999999999999999999.0",
        "\udcff;;,,=",
        "*/*",
    ],
)
def test_odd_wishes_get_plain_text_and_no_word_back(metrics: Metrics, accept: str) -> None:
    assert metrics.exposition(accept) == metrics.exposition()


# what the metrics are


def test_every_metric_is_documented_as_it_is(metrics: Metrics) -> None:
    use_all(metrics)

    documented = {
        name: Family(kind, frozenset(re.findall(r"`(\w+)`", labels)), meaning)
        for name, kind, labels, meaning in METRIC.findall(DOCUMENTATION)
    }

    assert documented == families(metrics)


def test_everything_that_a_label_can_be_is_documented(metrics: Metrics) -> None:
    documented = {label: set(re.findall(r"`([\w-]+)`", values)) for label, values in VALUES.findall(DOCUMENTATION)}
    documented["status"] = set()  # examples
    documented["route"] -= {"id"}
    for job in get_args(Job):
        metrics.succeeded(job)

    possible: dict[str, set[str]] = {"route": {"other"}, "method": METHODS, "status": set()}
    for labels in map(LABEL.findall, told(metrics)):
        for label, value in labels:
            possible.setdefault(label, set()).add(value)

    assert documented == {label: possible[label] for label in documented}
    assert possible.keys() - documented.keys() == {"le", "version", "sqlite", "python", "libav"}


def test_names_say_what_is_counted_in_which_unit(metrics: Metrics) -> None:
    use_all(metrics)

    for name, family in families(metrics).items():
        assert name.startswith("qacache_")
        assert name.endswith("_total") == (family.kind == "counter")
        assert family.kind != "histogram" or name.endswith("_seconds")


def test_nobody_makes_more_series_by_what_they_ask_or_keep(metrics: Metrics) -> None:
    dice = random.Random(417)
    templates, methods, statuses = ("", "/api/v1/lookup", "/api/v1/scans/{id}"), ("GET", "POST", "BREW"), (200, 404)

    def word() -> str:
        return "".join(dice.choices('abc/{}"\\\n<é', k=dice.randint(1, 30)))

    def ask(template: str, method: str, status: int) -> None:
        path = b"/\xff" + word().encode()
        metrics.answered(Exchange(word(), method, template, word(), status, dice.randint(0, 99), dice.random()))
        metrics.refused(BadRequest(HTTPStatus.BAD_REQUEST, word()))
        list(metrics.looked_up([answer(path, dice.choice(("ok", "vanished", None)))]))
        count(metrics, dice.choice((probed(path, word()), failed(path, message=word()), Unchanged([path]))))
        end(metrics, refused=[word()])

    for each in product(templates, methods, statuses):
        ask(*each)
    before = told(metrics).keys()
    for _ in range(10_000):
        ask(dice.choice(templates), dice.choice((*methods, word())), dice.choice((*statuses, 201, 418)))

    assert told(metrics).keys() == before


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_mend(metrics: Metrics) -> None:
    use_all(metrics)

    _, body = metrics.exposition()
    checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
