"""The journal over HTTP: scans, what they changed, and what failed, as far as a client wants to hear of it."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qacache.store.session import Store
from tests.api_server import Site, serving
from tests.libraries import scan
from tests.media import make_file

SCANS, FAILURES = "/api/v1/scans", "/api/v1/failures"


@pytest.fixture
def site(store: Store, library: Path) -> Iterator[Site]:
    """A server of three scans: of two videos, of a third one and a broken one, and without one of the first."""
    make_file(library / "a.mp4", b"a")
    make_file(library / "b.mp4", b"b")
    scan(store, library)
    make_file(library / "c.mp4", b"c")
    make_file(Path(os.fsdecode(os.fsencode(library) + b"/broken\xff.mp4")), b"broken")
    make_file(library / "deep" / "broken.mp4", b"broken, too")
    scan(store, library)
    (library / "a.mp4").unlink()
    scan(store, library)
    with serving(store.path) as site:
        yield site


def test_scans_are_listed_the_newest_first_and_in_part(site: Site, library: Path) -> None:
    scans = site.get(SCANS).json["scans"]
    assert [(scan["state"], scan["roots"]) for scan in scans] == [("complete", [str(library)])] * 3
    numbers = [scan["scan_id"] for scan in scans]
    assert numbers == sorted(numbers, reverse=True)
    assert [scan["probed"] for scan in scans] == [0, 1, 2]
    assert [scan["scan_id"] for scan in site.get(f"{SCANS}?limit=1&before={numbers[0]}").json["scans"]] == [numbers[1]]


def test_a_scan_is_told_by_its_number(site: Site) -> None:
    newest = site.get(SCANS).json["scans"][0]
    assert site.get(f"{SCANS}/{newest['scan_id']}").json == newest
    for target in (f"{SCANS}/999", f"{SCANS}/999/changes"):
        assert site.get(target).detail == "there is no such thing"


@pytest.mark.parametrize("name", ["newest", "-1", "+1", "1e3", "%D9%A3", "9" * 30, "1%20"])
def test_a_scan_has_no_other_name(site: Site, name: str) -> None:
    for target in (f"{SCANS}/{name}", f"{SCANS}/{name}/changes"):
        assert site.get(target).detail == "a scan is named by its number"


def test_changes_are_those_of_one_scan(site: Site, library: Path) -> None:
    numbers = [scan["scan_id"] for scan in site.get(SCANS).json["scans"]]

    def changes(number: int) -> list[tuple[str, str]]:
        told = site.get(f"{SCANS}/{number}/changes").json
        assert (told["scan_id"], told["is_partial"]) == (number, False)
        return sorted((change["kind"], os.path.basename(change["path"])) for change in told["changes"])

    assert changes(numbers[2]) == [("added", "a.mp4"), ("added", "b.mp4")]
    assert ("added", "c.mp4") in changes(numbers[1])
    assert changes(numbers[0]) == [("removed", "a.mp4")]
    partial = site.get(f"{SCANS}/{numbers[2]}/changes?limit=1").json
    assert (len(partial["changes"]), partial["is_partial"]) == (1, True)


def test_failures_are_listed_with_their_reasons(site: Site, library: Path) -> None:
    told = site.get(FAILURES).json
    assert told["is_partial"] is False
    first, second = told["failures"]
    assert base64.b64decode(first["path_b64"]) == os.fsencode(library) + b"/broken\xff.mp4"
    assert (second["path"], second["reason"]) == (f"{library}/deep/broken.mp4", "invalid-data")
    assert site.get(f"{FAILURES}?limit=1").json == {"failures": [first], "is_partial": True}
    assert site.get(f"{FAILURES}?under={library}/deep&reason=invalid-data").json["failures"] == [second]
    assert site.get(f"{FAILURES}?reason=timeout").json["failures"] == []


def test_an_export_of_what_changed_takes_up_where_the_last_one_ended(site: Site, store: Store, library: Path) -> None:
    whole = site.get("/api/v1/export")
    newest = site.get(SCANS).json["scans"][0]["scan_id"]
    assert whole.fields["x-qacache-scan"] == str(newest)
    assert site.get(f"/api/v1/export?since={newest}").lines == []
    make_file(library / "d.mp4", b"d")
    scan(store, library)
    later = site.get(f"/api/v1/export?since={newest}")
    assert [line["path"] for line in later.lines] == [f"{library}/d.mp4"]
    assert int(later.fields["x-qacache-scan"]) > newest


def test_copies_are_told_with_what_they_waste(site: Site, store: Store, library: Path) -> None:
    for name in ("d.mp4", "e.mp4"):
        make_file(library / "copies" / name, b"the same" * 100)
    scan(store, library)
    told = site.get("/api/v1/dupes").json
    assert told["total"] == {"groups": 1, "copies": 2, "size": 1600, "wasted": 800}
    assert len(told["groups"]) == 1
    assert site.get("/api/v1/dupes?min-size=1k").json["total"]["groups"] == 0
    assert site.get(f"/api/v1/dupes?under={library}/copies").json["total"]["groups"] == 1
    for place in (f"{library}/deep", "/nowhere"):
        assert site.get(f"/api/v1/dupes?under={place}").json["total"]["groups"] == 0
    refused = site.get("/api/v1/dupes?min-size=large")
    assert (refused.status, "large" in refused.body.decode()) == (400, False)
