"""Runs that a server is asked for: shown here as if they ran here, and ended from here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qacache.client.listings import scans
from qacache.client.runs import RemoteRefresh, RemoteScan
from qacache.config import load
from qacache.errors import ServerHasNone, ServerUnreachable, StoreLocked
from qacache.event_record import event_of, summary_dict, summary_of
from qacache.events import Failed, Summary, Waiting
from qacache.serve.notify import Notifier
from qacache.serve.service import Service
from tests.command import DEADLINE_S, Command, hanging_ffprobe
from tests.fakes import FakeClock
from tests.odd_servers import head_of, odd_server, response
from tests.serving import client_of, engine, qacache, serving


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without configuration or store."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


@pytest.fixture
def videos_db(videos: Path, tmp_path: Path) -> Path:
    """The store of three clips, to be changed at will."""
    qacache("scan", "--db", tmp_path / "videos.db", "--engine", "libav", videos)
    return tmp_path / "videos.db"


def test_a_scan_there_is_shown_as_one_here(videos: Path, videos_db: Path, clip: Path) -> None:
    shutil.copy(clip, videos / "new.mp4")
    with serving(videos_db, roots=(videos,), **engine(scan__settle="0s")) as url:
        done = qacache("scan", "--server", url)
        again = qacache("scan", "--server", url, videos, "--force", "--json")

    assert (done.status, again.status) == (0, 3)
    assert done.out.startswith("4 files in ")
    assert done.out.splitlines()[0].endswith(": 3 unchanged · 1 probed")
    assert done.out.splitlines()[1:] == ["not tried again yet: 1 that failed before"]
    *events, summary = again.records
    assert [(event["event"], Path(event["path"]).name) for event in events] == [("failed", "broken.mp4")]
    assert (summary["state"], summary["probed"], summary["failed"]) == ("complete", 3, 1)


def test_a_scan_of_what_the_server_does_not_scan_is_refused(videos: Path, videos_db: Path, tmp_path: Path) -> None:
    with serving(videos_db, roots=(videos, tmp_path / "gone"), **engine()) as url:
        elsewhere = qacache("scan", "--server", url, "/etc")
        gone = qacache("scan", "--server", url, tmp_path / "gone")
        both = qacache("scan", "--server", url)

    assert (elsewhere.status, gone.status, both.status) == (14, 14, 14)
    assert "does not scan that" in elsewhere.err
    assert str(tmp_path / "gone") in gone.err
    assert "3 unchanged" in both.out


@pytest.fixture
def slow(videos: Path, videos_db: Path, clip: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A library with a file that hangs its prober, and the URL of its server."""
    shutil.copy(clip, videos / "slow.mp4")
    ffprobe = hanging_ffprobe(tmp_path)
    prober = {"ffprobe__engine": "ffprobe", "ffprobe__path": ffprobe, "scan__settle": "0s", "ffprobe__timeout": "1m"}
    with serving(videos_db, roots=(videos,), **prober) as url:
        yield videos, url
        (tmp_path / "go").touch()


def test_a_scan_that_is_stopped_here_is_cancelled_there(slow: tuple[Path, str]) -> None:
    _, url = slow
    scan = RemoteScan(client_of(url), [], {"force": True}, sleep=lambda _: None)
    events = scan.events()
    assert isinstance(next(events), Waiting)

    with pytest.raises(StoreLocked, match="scan 2 of"):
        next(RemoteScan(client_of(url), [], {}).events())
    busy = qacache("scan", "--server", url)
    scan.stop()
    rest = list(events)

    assert busy.status == 11
    assert all(isinstance(event, Waiting | Failed) for event in rest)
    assert scan.summary.state == "interrupted"
    assert qacache("scans", "--server", url, "--limit", "1", "--json").records[0]["state"] == "interrupted"


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_scan_is_followed_although_the_server_is_away_for_a_while(comes_back: bool) -> None:
    clock = FakeClock()
    running = {"scan_id": 7, "state": "running", "started": "2026-11-22T11:28:00.000Z"}
    ended = {**running, "state": "complete", "found": 3, "unchanged": 3, "duration_s": 1.5}
    told = [running, None, None, ended] if comes_back else [running]

    def behave(connection: socket.socket, is_over: threading.Event) -> None:
        head_of(connection)
        answer = told.pop(0) if told else None
        # nothing is a connection that ends at once
        connection.sendall(response(json.dumps(answer).encode()) if answer else b"")

    with odd_server(behave) as url:
        scan = RemoteScan(client_of(url), [], {}, sleep=clock.sleep, monotonic=clock.monotonic)
        if comes_back:
            assert all(isinstance(event, Waiting) for event in scan.events())
            assert (scan.summary.state, scan.summary.unchanged) == ("complete", 3)
        else:
            with pytest.raises(ServerUnreachable, match="hung up") as raised:
                list(scan.events())
            assert "may go on there" in (raised.value.hint or "")
            assert 60 <= sum(clock.slept) <= 62


def test_ctrl_c_ends_the_scan_there(slow: tuple[Path, str], tmp_path: Path) -> None:
    _, url = slow
    process = Command(tmp_path / "client").start("scan", "--server", url, "--force")
    deadline = time.monotonic() + DEADLINE_S
    while next(scans(client_of(url))).scan_id == 1 and time.monotonic() < deadline:
        assert process.poll() is None

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 130
    assert b"(interrupted)" in out
    assert err == b"stopping: storing what is finished\n"
    assert next(scans(client_of(url))).state == "interrupted"


def test_what_is_probed_again_there_is_shown_as_it_happens(videos: Path, videos_db: Path) -> None:
    with serving(videos_db, roots=(videos,), **engine()) as url:
        text = qacache("reprobe", "--server", url, videos)
        events = qacache("reprobe", "--server", url, videos / "wide.mkv", "--json")
        failed = qacache("reprobe", "--server", url, "--failed", "--json")
        retried = qacache("failures", "--server", url, "--retry", "--reason", "invalid-data", "--since", "1h", videos)
        none = qacache("failures", "--server", url, "--retry", "--reason", "timeout")
        elsewhere = qacache("reprobe", "--server", url, "/etc")

    assert (text.status, events.status, failed.status, retried.status, none.status) == (3, 0, 3, 3, 0)
    assert "2 probed · 1 failed" in text.out
    assert [record["event"] for record in events.records] == ["probed", "summary"]
    assert events.records[0]["media"]["width"] == 96
    assert [record["event"] for record in failed.records] == ["failed", "summary"]
    assert "invalid-data" in retried.out
    assert elsewhere.status == 2
    assert "does not look there" in elsewhere.err


def test_probing_again_that_is_stopped_ends_in_order(slow: tuple[Path, str]) -> None:
    videos, url = slow
    paths = b"".join(os.fsencode(videos / name) + b"\0" for name in ("wide.mkv", "slow.mp4"))
    run_there = RemoteRefresh(client_of(url), "/reprobe", paths)
    events = run_there.events()

    first = next(events)
    run_there.stop()

    assert type(first).__name__ == "Probed"
    assert list(events) == []
    assert (run_there.summary.state, run_there.summary.probed) == ("interrupted", 1)


def test_the_listener_for_operators_is_enough_to_scan(videos: Path, videos_db: Path) -> None:
    config = {"db.path": videos_db, "server.addr": "127.0.0.1:0", "server.ops_addr": "127.0.0.1:0"}
    loaded = load(flags={**config, "scan.roots": [videos], "ffprobe.engine": "libav"}, environ={}).config
    service = Service(loaded, Notifier({}))
    service.start()
    try:
        public, ops = (f"http://127.0.0.1:{port}" for port in service.ports)
        done = qacache("scan", "--server", ops, "--force", videos)
        with pytest.raises(ServerHasNone):
            client_of(ops).get("/files")
        elsewhere = qacache("scan", "--server", public)
    finally:
        service.stop()

    assert done.status == 3
    assert "2 probed · 1 failed" in done.out
    assert elsewhere.status != 0
    assert "hint: where it has a server.ops_addr" in elsewhere.err


def test_a_summary_is_read_as_it_was_told() -> None:
    summary = Summary(scan_id=7, state="interrupted", found=3, failed=1, refused=["no"], changes={"added": 1})

    assert summary_of(summary_dict(summary)) == summary
    assert event_of({"event": "scan-began"}) is None
