"""Control over HTTP: scans begin and are cancelled; files are probed again, and only those of the roots."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from qacache.os_failures import NoAnswer
from qacache.serve import confinement
from qacache.serve.confinement import Confinement
from qacache.store import migrations
from qacache.store.lock import held, scan_lock_path
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.api_server import Reply, Site, serving, until
from tests.command import hanging_ffprobe, make_ffprobe
from tests.media import make_file
from tests.rows import failed

SCANS, REPROBE, RETRY = "/api/v1/scans", "/api/v1/reprobe", "/api/v1/failures/retry"


@pytest.fixture
def site(tmp_path: Path, library: Path, parrot: Path) -> Iterator[Site]:
    """A server whose root is `library`, with a video in it, and a broken one; its ffprobe is a parrot."""
    make_file(library / "a.mp4", b"a")
    make_file(library / "broken.mp4", b"b")
    with serving_library(tmp_path, library, parrot / "ffprobe") as site:
        yield site


@pytest.fixture
def hanging(tmp_path: Path, library: Path) -> Iterator[Site]:
    """A server whose scan hangs on `slow.mp4` until there is a file `go` beside the library."""
    make_file(library / "slow.mp4", b"s")
    with serving_library(tmp_path, library, hanging_ffprobe(tmp_path)) as site:
        yield site
        (tmp_path / "go").touch()


def serving_library(tmp_path: Path, library: Path, ffprobe: Path, **flags: object) -> Any:
    return serving(
        tmp_path / "qacache.db",
        f'[scan]\nroots = ["{library}"]\n',
        ffprobe__engine="ffprobe",
        ffprobe__path=str(ffprobe),
        **flags,
    )


def ended(site: Site, scan: int) -> dict[str, Any]:
    """What the journal has of a scan once it is over."""

    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = site.get(f"{SCANS}/{scan}").json
        return told if told["state"] != "running" else None

    return dict(until(look))


def outcomes(reply: Reply) -> dict[str, str]:
    assert reply.status == 200
    assert reply.fields["content-type"] == "application/x-ndjson"
    *events, summary = reply.lines
    assert summary["event"] == "summary"
    return {os.path.basename(event["path"]): event["event"] for event in events}


# scans


@pytest.mark.parametrize("body", [b"", b"{}", None])
def test_a_scan_of_the_configured_roots_begins_and_comes_to_its_end(
    site: Site, library: Path, body: bytes | None
) -> None:
    reply = site.post(SCANS, {"roots": [str(library)]} if body is None else body)
    assert (reply.status, reply.json["roots"]) == (202, [str(library)])
    assert reply.fields["location"] == f"{SCANS}/{reply.json['scan_id']}"
    scan = ended(site, reply.json["scan_id"])
    assert (scan["state"], scan["probed"], scan["failed"]) == ("complete", 1, 1)
    assert site.get(f"/api/v1/lookup?path={library}/a.mp4").json["status"] == "ok"


def test_a_scan_may_be_a_trial_and_may_probe_anew(site: Site, library: Path) -> None:
    trial = site.post(SCANS, {"dry_run": True})
    assert trial.status == 202
    until(lambda: site.post(SCANS, {}).status == 202)
    first = site.get(SCANS).json["scans"][0]["scan_id"]
    ended(site, first)
    forced = site.post(SCANS, {"force": True}).json["scan_id"]
    assert ended(site, forced)["probed"] == 1


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"[]", b"7", b'"x"', b"\xff", b"[" * 100_000, {"root": ["/a"]}, {"roots": None}, {"roots": []}),
        *({"roots": "/a"}, {"roots": [7]}, {"roots": ["a"]}, {"roots": ["/a\0"]}, {"roots": ["/\ud800"]}),
        *({"force": 1}, {"dry_run": "yes"}, {"verify_digest": None}),
    ],
)
def test_a_scan_that_is_not_asked_for_properly_does_not_begin(site: Site, body: object) -> None:
    reply = site.post(SCANS, body)
    assert (reply.status, bool(reply.detail)) == (400, True)
    assert site.get(SCANS).json == {"scans": []}


def test_a_second_scan_is_told_which_one_runs_and_the_first_can_be_cancelled(hanging: Site, tmp_path: Path) -> None:
    first = hanging.post(SCANS, {}).json
    second = hanging.post(SCANS, {})
    assert (second.status, second.detail) == (409, "a scan runs already")
    assert (second.json["scan"]["scan_id"], second.json["scan"]["state"]) == (first["scan_id"], "running")
    assert hanging.get(f"{SCANS}/{first['scan_id']}").json["state"] == "running"
    assert hanging.ask("DELETE", f"{SCANS}/{first['scan_id']}").status == 202
    assert ended(hanging, first["scan_id"])["state"] == "interrupted"
    again = hanging.ask("DELETE", f"{SCANS}/{first['scan_id']}")
    assert (again.status, again.detail) == (409, "this scan does not run here")


def test_a_scan_that_nobody_knows_cannot_be_cancelled(site: Site) -> None:
    assert site.ask("DELETE", f"{SCANS}/77").status == 404
    for name in ("x", "-1", "1.5", "٣", "9" * 30):
        reply = site.ask("DELETE", f"{SCANS}/{name.encode().hex() if not name.isascii() else name}")
        assert reply.status in (400, 404)


def test_where_another_process_scans_it_is_said_that_it_does(site: Site, tmp_path: Path) -> None:
    with held(scan_lock_path(str(tmp_path / "qacache.db")), purpose="a scan", timeout_s=0):
        reply = site.post(SCANS, {})
    assert (reply.status, "retry-after" in reply.fields) == (503, True)


def test_a_scan_of_which_nothing_can_come_is_told_as_failed(tmp_path: Path, library: Path, parrot: Path) -> None:
    with serving_library(tmp_path, library / "none", parrot / "ffprobe") as site:
        reply = site.post(SCANS, {})
        assert (reply.status, reply.json["state"]) == (202, "failed")
        assert reply.json["error"] == reply.json["refused"][0]
        assert "/library/none" in reply.json["error"]
        assert site.get(reply.fields["location"]).json["state"] == "failed"


def test_without_roots_to_scan_it_is_said_that_there_are_none(tmp_path: Path) -> None:
    with serving(tmp_path / "qacache.db") as site:
        assert site.post(SCANS, {}).detail == "no folder to scan is configured"


# the roots


@pytest.fixture
def outside(tmp_path: Path, library: Path) -> Path:
    """A folder that is no root, to which `link` in the library leads; and `file.mp4` there to a file in it."""
    folder = tmp_path / "outside"
    make_file(folder / "secret.mp4", b"secret")
    (library / "link").symlink_to(folder)
    (library / "file.mp4").symlink_to(folder / "secret.mp4")
    (library / "up").symlink_to(library.parent)
    return folder


def test_what_is_outside_of_the_roots_is_as_if_it_were_not_there(site: Site, library: Path, outside: Path) -> None:
    named = [
        *(str(outside), str(outside / "secret.mp4"), str(outside / "none"), "/", str(library.parent)),
        *(f"{library}/../outside", f"{library}2", f"{library}/link", f"{library}/link/secret.mp4"),
        *(f"{library}/file.mp4", f"{library}/up/outside/secret.mp4", f"{library}/link/none"),
    ]
    answers = {site.post(REPROBE, [path]).body for path in named} | {
        site.post(SCANS, {"roots": [path]}).body for path in named
    }
    assert len(answers) == 1
    assert site.post(REPROBE, [named[0]]).detail == "there is no such thing"
    mixed = site.post(REPROBE, [f"{library}/a.mp4", f"{library}/file.mp4"])
    assert mixed.status == 404
    assert site.get(SCANS).json == {"scans": []}
    assert site.get("/api/v1/files?status=any").json["files"] == []


def test_links_within_the_roots_are_no_trouble(site: Site, library: Path, outside: Path) -> None:
    (library / "same.mp4").symlink_to(library / "a.mp4")
    (library / "loop").symlink_to(library / "loop")
    assert outcomes(site.post(REPROBE, [f"{library}/same.mp4"])) == {"same.mp4": "probed"}
    assert outcomes(site.post(REPROBE, [f"{library}/up/library/a.mp4"])) == {"a.mp4": "probed"}
    assert outcomes(site.post(REPROBE, [f"{library}/loop"])) == {"loop": "failed"}


def test_a_root_may_be_reached_by_a_link(tmp_path: Path, library: Path, parrot: Path) -> None:
    make_file(library / "a.mp4", b"a")
    (tmp_path / "named").symlink_to(library)
    with serving_library(tmp_path, tmp_path / "named", parrot / "ffprobe") as site:
        assert outcomes(site.post(REPROBE, [f"{tmp_path}/named/a.mp4"])) == {"a.mp4": "probed"}
        assert site.post(REPROBE, [f"{library}/a.mp4"]).status == 404


def test_a_disk_that_does_not_answer_keeps_nobody_waiting_for_it(
    tmp_path: Path, library: Path, parrot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = tmp_path / "never"
    os.mkfifo(never)

    def hang(path: bytes) -> bytes:
        with never.open("rb"):
            return path

    monkeypatch.setattr(confinement.os.path, "realpath", hang)
    try:
        with pytest.raises(NoAnswer):
            Confinement([os.fsencode(library)], 0.01).holds([os.fsencode(library / "a.mp4")])
        # of what is elsewhere no disk is asked
        assert not Confinement([os.fsencode(library)], 0.01).holds([b"/elsewhere"])
    finally:
        monkeypatch.undo()
        never.open("wb").close()


def test_a_disk_that_does_not_answer_is_told_as_such(
    site: Site, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object) -> bool:
        raise NoAnswer("no answer in 60 s")

    monkeypatch.setattr(confinement, "within", no_answer)
    reply = site.post(REPROBE, [f"{library}/a.mp4"])
    assert (reply.status, reply.detail) == (503, "a disk does not answer")


# probing again


def test_files_and_folders_are_probed_again_and_each_is_told(site: Site, library: Path) -> None:
    odd = os.fsencode(library) + b"/caf\xe9.mp4"
    Path(os.fsdecode(odd)).write_bytes(b"odd")
    told = outcomes(site.post(REPROBE, [{"path_b64": base64.b64encode(odd).decode()}, f"{library}/broken.mp4"]))
    assert told == {"caf\ufffd.mp4": "probed", "broken.mp4": "failed"}
    assert outcomes(site.post(REPROBE, f"{library}".encode()))["a.mp4"] == "probed"
    assert outcomes(site.post(REPROBE, b"")) == {}


def test_files_that_are_not_there_are_told_as_failed(site: Site, library: Path) -> None:
    assert outcomes(site.post(REPROBE, [f"{library}/none.mp4"])) == {"none.mp4": "failed"}


def test_what_failed_is_tried_again_as_it_is_chosen(site: Site, library: Path) -> None:
    ended(site, site.post(SCANS, {}).json["scan_id"])
    for chosen in ({}, {"under": [str(library)]}, {"reason": ["invalid-data"]}, {"since": "1h"}, b""):
        assert outcomes(site.post(RETRY, chosen)) == {"broken.mp4": "failed"}
    for chosen in ({"under": [f"{library}/a.mp4"]}, {"reason": ["timeout"]}, {"since": "0s"}):
        assert outcomes(site.post(RETRY, chosen)) == {}
    (library / "broken.mp4").rename(library / "well.mp4")
    assert outcomes(site.post(RETRY, {})) == {"broken.mp4": "failed"}


@pytest.mark.parametrize("body", [{"since": 7}, {"since": "soon"}, {"since": None}, {"under": "/a"}, {"all": True}])
def test_a_choice_that_makes_no_sense_is_refused(site: Site, body: object) -> None:
    assert site.post(RETRY, body).status == 400


def test_what_failed_outside_of_the_roots_is_left_alone(site: Site, tmp_path: Path, outside: Path) -> None:
    with Writer(str(tmp_path / "qacache.db"), busy_timeout_s=5.0, retries=RetrySchedule(60, 3600)) as writer:
        writer.write([failed(os.fsencode(outside / "secret.mp4"))])
    assert outcomes(site.post(RETRY, {})) == {}


def test_a_store_that_is_gone_is_told_before_any_file_is(tmp_path: Path, library: Path, parrot: Path) -> None:
    with serving_library(tmp_path, library, parrot / "ffprobe") as site:
        (tmp_path / "qacache.db").unlink()
        for reply in (site.post(REPROBE, [str(library)]), site.get("/api/v1/files"), site.get("/api/v1/export")):
            assert (reply.status, "retry-after" in reply.fields) == (503, True)
        migrations.create(str(tmp_path / "qacache.db"), 0.2)
        assert site.get("/api/v1/files").status == 200


def test_a_missing_prober_is_told_before_any_file_is(tmp_path: Path, library: Path) -> None:
    with serving_library(tmp_path, library, tmp_path / "no-ffprobe") as site:
        for reply in (site.post(REPROBE, [str(library)]), site.post(SCANS, {})):
            assert (reply.status, reply.fields["content-type"]) == (503, "application/problem+json")


def test_long_answers_leave_a_worker_for_short_ones(tmp_path: Path, library: Path) -> None:
    slow = make_file(library / "slow.mp4", b"s")
    hang = f'touch "{tmp_path}/asked"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.05; done'
    ffprobe = make_ffprobe(tmp_path / "ffprobe", hang)
    with serving_library(tmp_path, library, ffprobe, server__workers=2) as site, ThreadPoolExecutor(1) as executor:
        try:
            answer = executor.submit(site.post, REPROBE, [str(slow)])
            until((tmp_path / "asked").exists)
            refused = site.get("/api/v1/export")
            assert (refused.status, refused.detail) == (503, "too many long answers at a time")
            assert "retry-after" in refused.fields
            assert site.get(f"/api/v1/lookup?path={slow}").status == 200
        finally:
            (tmp_path / "go").touch()
        assert answer.result().status == 200
        assert site.get("/api/v1/export").status == 200
