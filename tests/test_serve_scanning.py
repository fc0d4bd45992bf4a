"""The process of a scan: what it reports, how it is stopped, and what becomes of the server when it dies."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qacache.config import Config, Db, Scan
from qacache.config.sections import Ffprobe
from qacache.errors import ProberMissing, QacacheError, RootRefused, StoreLocked
from qacache.serve.scanning import process as process_module
from qacache.serve.scanning.process import ScanProcess
from qacache.serve.scanning.reports import Order, Report
from qacache.serve.scanning.tally import Tally
from qacache.store.history import History
from qacache.store.lock import held, scan_lock_path
from qacache.store.search import Search
from qacache.store.session import Store
from tests.api_server import Site, serving, until
from tests.command import hanging_ffprobe
from tests.media import make_file
from tests.processes import is_dead, needs_proc, soon
from tests.rows import failed, probed
from tests.served import scans_of

SCANS = "/api/v1/scans"


@pytest.fixture
def config(store: Store, library: Path, parrot: Path) -> Config:
    """A library with a video and a broken one, and what they are probed with."""
    make_file(library / "a.mp4", b"a")
    make_file(library / "broken.mp4", b"b")
    return Config(
        db=Db(path=store.path, busy_timeout_s=0.2),
        scan=Scan(roots=(str(library),), settle_s=0.0),
        ffprobe=Ffprobe(engine="ffprobe", path=str(parrot / "ffprobe")),
    )


def order(config: Config, **options: bool) -> Order:
    return Order(config, [os.fsencode(root) for root in config.scan.roots], options)


def hanging(config: Config, library: Path, tmp_path: Path) -> Config:
    """One whose scan hangs on a file, until there is a file `go` in `tmp_path`."""
    make_file(library / "slow.mp4", b"s")
    return dataclasses.replace(config, ffprobe=Ffprobe(engine="ffprobe", path=str(hanging_ffprobe(tmp_path))))


def all_counted(reports: list[Report]) -> Tally:
    """The tallies of all reports, as the metrics add them up."""
    total = Tally()
    for report in reports:
        total.files += report.tally.files
        total.failures += report.tally.failures
        total.digest_bytes += report.tally.digest_bytes
        total.probes.extend(report.tally.probes)
    return total


# what it reports


def test_a_scan_reports_what_it_came_to_and_all_that_it_counted(config: Config) -> None:
    reports = list(ScanProcess(order(config)).reports())

    last = reports[-1].summary
    assert (last.state, last.probed, last.failed) == ("complete", 1, 1)
    assert reports[0].summary.scan_id == last.scan_id
    assert [report.is_last for report in reports] == [False] * (len(reports) - 1) + [True]
    counted = all_counted(reports)
    assert counted.files == {"probed": 1, "failed": 1}
    assert counted.failures == {"invalid-data": 1}
    assert counted.digest_bytes == 2
    assert [prober for prober, _ in counted.probes] == ["ffprobe", "ffprobe"]
    with History(config.db.path) as history:
        assert next(history.scans()).scan_id == last.scan_id


def test_options_of_a_scan_are_followed(config: Config) -> None:
    list(ScanProcess(order(config)).reports())

    again = list(ScanProcess(order(config)).reports())[-1].summary
    forced = list(ScanProcess(order(config, force=True)).reports())[-1].summary
    trial = list(ScanProcess(order(config, dry_run=True, force=True)).reports())[-1].summary

    assert (again.unchanged, forced.probed, trial.planned) == (2, 1, 2)
    assert trial.scan_id is None


def test_the_log_is_folded_in_its_midst_where_that_is_configured(config: Config, library: Path) -> None:
    often = dataclasses.replace(config, db=dataclasses.replace(config.db, checkpoint_every=1))

    assert list(ScanProcess(order(often)).reports())[-1].summary.state == "complete"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"ffprobe": Ffprobe(engine="ffprobe", path="/no/ffprobe")}, ProberMissing),
        ({"scan": Scan(roots=("/no/library",), settle_s=0.0)}, RootRefused),
    ],
    ids=["no prober", "no root"],
)
def test_what_keeps_it_from_scanning_is_raised_as_if_it_were_here(
    config: Config, change: dict[str, object], error: type[QacacheError]
) -> None:
    process = ScanProcess(order(dataclasses.replace(config, **change)))  # type: ignore[arg-type]

    with pytest.raises(error) as raised:
        list(process.reports())

    assert str(raised.value)


def test_where_another_one_scans_it_says_so_with_the_way_out(config: Config) -> None:
    with held(scan_lock_path(config.db.path), purpose="a scan", timeout_s=0), pytest.raises(StoreLocked) as raised:
        list(ScanProcess(order(config)).reports())
    assert raised.value.hint


def test_a_python_that_cannot_be_started_is_told(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module.sys, "executable", "/no/python")

    with pytest.raises(QacacheError, match="no process for the scan: No such file or directory"):
        ScanProcess(order(config))


# how it ends


def test_it_stops_with_all_that_is_finished_stored(config: Config, library: Path, tmp_path: Path) -> None:
    process = ScanProcess(order(hanging(config, library, tmp_path)))
    reports = process.reports()
    assert next(report for report in reports if report.tally.files)

    process.stop()
    process.stop()

    *_, last = reports
    assert last.summary.state == "interrupted"
    with Search(config.db.path) as search:
        assert search.reader.known(os.fsencode(library / "a.mp4")) is not None
        assert search.reader.known(os.fsencode(library / "slow.mp4")) is None


@needs_proc
def test_a_service_manager_may_tell_all_processes_to_stop(config: Config, library: Path, tmp_path: Path) -> None:
    process = ScanProcess(order(hanging(config, library, tmp_path)))
    reports = process.reports()
    next(reports)

    (pid,) = scans_of(os.getpid())
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)

    *_, last = reports
    assert last.summary.state == "interrupted"


@needs_proc
def test_one_that_dies_says_how(config: Config, library: Path, tmp_path: Path) -> None:
    process = ScanProcess(order(hanging(config, library, tmp_path)))
    reports = process.reports()
    next(reports)

    process.kill()

    with pytest.raises(QacacheError, match="the scan's process died: Killed"):
        list(reports)
    (tmp_path / "go").touch()


@needs_proc
def test_a_server_that_is_killed_takes_its_scan_along(config: Config, library: Path, tmp_path: Path) -> None:
    slow = hanging(config, library, tmp_path)
    settings = tmp_path / "config.toml"
    settings.write_text(f'[scan]\nroots = ["{library}"]\nsettle = "0s"\n[ffprobe]\npath = "{slow.ffprobe.path}"\n')
    script = (
        "import sys; from pathlib import Path; from tests.api_server import serving\n"
        f"db, toml = Path({config.db.path!r}), Path({str(settings)!r}).read_text()\n"
        "with serving(db, toml, ffprobe__engine='ffprobe') as site:\n"
        "    site.post('/api/v1/scans', {}); print('scans', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [process_module.sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"scans\n"
        (pid,) = scans_of(server.pid)
        server.kill()
        assert soon(lambda: is_dead(pid))
    with History(config.db.path) as history:
        assert next(history.scans()).state == "interrupted"


# the server, when it dies


@pytest.fixture
def site(config: Config, library: Path, tmp_path: Path) -> Iterator[Site]:
    slow = hanging(config, library, tmp_path)
    with serving(
        config.db.path,
        f'[scan]\nroots = ["{library}"]\nsettle = "0s"\n',
        ffprobe__engine="ffprobe",
        ffprobe__path=slow.ffprobe.path,
    ) as site:
        yield site


@needs_proc
def test_the_server_outlives_a_scan_that_is_killed_and_can_begin_another(
    site: Site, library: Path, tmp_path: Path
) -> None:
    first = site.post(SCANS, {}).json["scan_id"]

    (pid,) = scans_of(os.getpid())
    os.kill(pid, signal.SIGKILL)

    assert until(lambda: site.get(f"{SCANS}/{first}").json["state"] == "interrupted")
    (tmp_path / "go").touch()
    second = until(lambda: site.post(SCANS, {}).json.get("scan_id"))
    assert until(lambda: site.get(f"{SCANS}/{second}").json["state"] == "complete")
    # its ffprobe says nothing of it
    assert site.get(f"/api/v1/lookup?path={library}/slow.mp4").json["status"] == "failed"


# what is counted


def test_a_tally_that_is_taken_begins_anew() -> None:
    tally = Tally()
    tally.seen(probed(b"/a", size=10))
    tally.seen(failed(b"/b"))
    tally.probed("libav", 0.5)

    taken, rest = tally.taken(), tally.taken()

    assert (taken.files, list(taken.probes)) == ({"probed": 1, "failed": 1}, [("libav", 0.5)])
    assert rest == Tally()
