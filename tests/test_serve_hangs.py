"""A server whose disks and probers hang: it goes on answering, says which root it is, and stops when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api_server import Reply, Site, serving, until
from tests.command import make_ffprobe
from tests.fuse_mount import FuseMount, mounted
from tests.media import make_file
from tests.processes import is_dead, needs_proc, soon, state_of

SCANS = "/api/v1/scans"


@pytest.fixture
def share(tmp_path: Path) -> Iterator[FuseMount]:
    """A share with a video, which may hang."""
    make_file(tmp_path / "disk" / "a.mp4", b"a")
    with mounted(tmp_path / "nas", tmp_path / "disk") as mount:
        yield mount


@pytest.fixture
def site(tmp_path: Path, share: FuseMount, parrot: Path) -> Iterator[Site]:
    """A server that has scanned the share, and a folder beside it."""
    make_file(tmp_path / "local" / "b.mp4", b"b")
    with serving(
        tmp_path / "qacache.db",
        f'[scan]\nroots = ["{share.folder}", "{tmp_path}/local"]\nsettle = "0s"\nhang_timeout = "1s"\n',
        ffprobe__engine="ffprobe",
        ffprobe__path=str(parrot / "ffprobe"),
        doctor__deadline="1s",
    ) as site:
        assert ended(site, site.post(SCANS, {}).json["scan_id"])["state"] == "complete"
        yield site


def ended(site: Site, scan: int) -> dict[str, object]:
    def look() -> dict[str, object] | None:
        told: dict[str, object] = site.get(f"{SCANS}/{scan}").json
        return told if told["state"] != "running" else None

    return dict(until(look))


def answers_meanwhile(site: Site, path: Path, slow: Callable[[], Reply]) -> Reply:
    """Ask what is `slow`, and what is not as long as that takes; return the slow answer."""
    with ThreadPoolExecutor(1) as executor:
        waiting: Future[Reply] = executor.submit(slow)
        quick = 0
        while not waiting.done():
            assert site.get("/livez").status == 200
            assert site.get(f"/api/v1/lookup?path={path}").json["status"] == "ok"
            quick += 1
        # they were no slower than the one that hangs: of these there were many
        assert quick > 10
        return waiting.result()


def test_a_root_that_hangs_is_named_and_keeps_nobody_else_waiting(site: Site, share: FuseMount) -> None:
    share.stall()

    ready = answers_meanwhile(site, share.folder / "a.mp4", lambda: site.get("/ready"))

    assert (ready.status, ready.json["status"]) == (503, "failed")
    failed = [check for check in ready.json["failed"] if str(share.folder) in str(check)]
    assert failed
    assert all("no answer" in str(check) for check in failed)
    local = [check for check in ready.json["checks"] if "/local" in str(check)]
    assert local
    assert all(check["state"] == "ok" for check in local)


def test_probing_what_hangs_again_is_answered_in_its_deadline(site: Site, share: FuseMount) -> None:
    share.stall()

    again = answers_meanwhile(
        site, share.folder / "a.mp4", lambda: site.post("/api/v1/reprobe", [f"{share.folder}/a.mp4"])
    )

    assert (again.status, again.detail) == (503, "a disk does not answer")


def test_a_scan_does_the_roots_that_answer_and_leaves_out_the_one_that_hangs(
    site: Site, share: FuseMount, tmp_path: Path
) -> None:
    make_file(tmp_path / "local" / "new.mp4", b"new")
    share.stall()

    scan = ended(site, site.post(SCANS, {}).json["scan_id"])

    assert (scan["probed"], scan["vanished"]) == (1, 0)
    assert str(share.folder) in str([scan["refused"], scan["incomplete"]])
    assert site.get(f"/api/v1/lookup?path={share.folder}/a.mp4").json["status"] == "ok"
    share.recover()
    assert ended(site, site.post(SCANS, {}).json["scan_id"])["state"] == "complete"


@needs_proc
def test_a_prober_that_is_frozen_keeps_nobody_waiting_but_its_file(tmp_path: Path, library: Path, parrot: Path) -> None:
    # it may write nothing, but its number may be the name of a file
    freeze = (
        f'case "$*" in */frozen.mp4*) : > "{tmp_path}/frozen-$$"; kill -STOP $$ ;; esac; exec {parrot}/ffprobe "$@"'
    )
    ffprobe = make_ffprobe(tmp_path / "freezing-ffprobe", f'{freeze}\nexec {parrot}/ffprobe "$@"')
    make_file(library / "a.mp4", b"a")
    with serving(
        tmp_path / "qacache.db",
        f'[scan]\nroots = ["{library}"]\nsettle = "0s"\n[ffprobe]\ntimeout = "2s"\n',
        ffprobe__engine="ffprobe",
        ffprobe__path=str(ffprobe),
    ) as site:
        ended(site, site.post(SCANS, {}).json["scan_id"])
        make_file(library / "frozen.mp4", b"f")

        scan = site.post(SCANS, {}).json["scan_id"]
        pid = int(until(lambda: list(tmp_path.glob("frozen-*")))[0].name.removeprefix("frozen-"))
        assert soon(lambda: state_of(pid) == "T")
        over = answers_meanwhile(site, library / "a.mp4", lambda: _when_over(site, scan))

        assert (over.json["state"], over.json["failed"]) == ("complete", 1)
        assert site.get("/api/v1/failures").json["failures"][0]["reason"] == "timeout"
        assert is_dead(pid)


def _when_over(site: Site, scan: int) -> Reply:
    ended(site, scan)
    return site.get(f"{SCANS}/{scan}")


@needs_proc
def test_a_server_stops_while_its_scan_hangs(tmp_path: Path, share: FuseMount, parrot: Path) -> None:
    flags = {"ffprobe__engine": "ffprobe", "ffprobe__path": str(parrot / "ffprobe"), "server__drain": "2s"}
    with serving(tmp_path / "qacache.db", f'[scan]\nroots = ["{share.folder}"]\nsettle = "0s"\n', **flags) as site:
        share.stall()
        assert site.post(SCANS, {}).status == 202
        assert share.unanswered()
        # what is shown is that the end of `serving` comes
