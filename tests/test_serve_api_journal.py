"""The journal over HTTP: scans, what they changed, and what failed, as far as a client wants to hear of it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qacache.store.session import Store
from tests.api_server import Reply, Site, serving
from tests.libraries import scan
from tests.media import make_file

SCANS, FAILURES, DUPES = "/api/v1/scans", "/api/v1/failures", "/api/v1/dupes"
# each with its member of entries; the second scan is the one that came upon most
LISTS = [(FAILURES, "failures"), (DUPES, "groups"), (f"{SCANS}/2/changes", "changes")]


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
        assert (told["scan_id"], told["next"]) == (number, None)
        return sorted((change["kind"], os.path.basename(change["path"])) for change in told["changes"])

    assert changes(numbers[2]) == [("added", "a.mp4"), ("added", "b.mp4")]
    assert ("added", "c.mp4") in changes(numbers[1])
    assert changes(numbers[0]) == [("removed", "a.mp4")]


def test_failures_are_listed_with_their_reasons(site: Site, library: Path) -> None:
    told = site.get(FAILURES).json
    assert told["next"] is None
    first, second = told["failures"]
    assert base64.b64decode(first["path_b64"]) == os.fsencode(library) + b"/broken\xff.mp4"
    assert (second["path"], second["reason"]) == (f"{library}/deep/broken.mp4", "invalid-data")
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


def gather(site: Site, target: str, member: str, limit: int) -> list[Any]:
    """The entries of a list, put together from its pages, of which there are ten at most."""
    gathered, after = [], ""
    for _ in range(10):
        page = site.get(f"{target}?limit={limit}{after}").json
        assert len(page[member]) <= limit
        gathered += page[member]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    return gathered


@pytest.fixture
def full_site(site: Site, store: Store, library: Path) -> Site:
    """The same server, of more copies and failures than there is room for on a page, as a fourth scan found them."""
    for number in range(3):
        for name in ("d", "e"):
            make_file(library / f"{number}" / f"{name}.mp4", b"the same %d" % number)
        make_file(library / f"{number}" / "broken.mp4", b"broken %d" % number)
    scan(store, library)
    return site


@pytest.mark.parametrize(("target", "member"), [*LISTS[:2], (f"{SCANS}/4/changes", "changes")])
def test_pages_put_together_are_the_whole(full_site: Site, target: str, member: str) -> None:
    whole = full_site.get(target).json
    assert whole["next"] is None
    assert len(whole[member]) > 2
    for limit in (1, 2, len(whole[member]), 1000):
        assert gather(full_site, target, member, limit) == whole[member]


def test_a_page_goes_on_where_the_one_before_it_ended_whatever_is_written_meanwhile(
    full_site: Site, store: Store, library: Path
) -> None:
    whole, pages = ([full_site.get(f"{target}{limit}").json for target, _ in LISTS[:2]] for limit in ("", "?limit=2"))
    make_file(library / "00 broken.mp4", b"no other is broken like this")
    (library / "0" / "broken.mp4").unlink()
    for name in ("large.mp4", "large too.mp4"):
        make_file(library / "large" / name, b"large" * 1000)
    scan(store, library)
    for (target, member), all_of_it, page in zip(LISTS[:2], whole, pages, strict=True):
        assert full_site.get(f"{target}?after={page['next']}").json[member] == all_of_it[member][2:]


@pytest.mark.parametrize(("target", "member"), LISTS)
@pytest.mark.parametrize(
    ("position", "words"),
    [
        (None, "no `next` of a page"),
        ("/v/a.mp4", "no `next` of a page"),
        ([], "in another order"),
        ([{"b": "L3Y="}, 1], "in another order"),
        (["/v/a.mp4"], "in another order"),
        ([None, None, None], "in another order"),
    ],
)
def test_a_cursor_that_is_none_leads_nowhere(
    site: Site, target: str, member: str, position: object, words: str
) -> None:
    after = base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")
    refused = site.get(f"{target}?after={after}")
    assert (refused.status, refused.detail.partition(" is ")[0]) == (404, "parameter after")
    assert words in refused.detail
    assert site.get(f"{target}?after=!").status == 400


LARGEST = (1 << 63) - 1


@pytest.mark.parametrize(
    ("target", "position"),
    [
        (FAILURES, [{"b": ""}]),
        *((DUPES, [wasted, {"b": ""}, wasted]) for wasted in (-LARGEST, LARGEST)),
        *((LISTS[2][0], [change, {"b": ""}, ""]) for change in (-LARGEST, LARGEST)),
    ],
)
def test_a_cursor_that_somebody_made_up_does_no_harm(site: Site, target: str, position: object) -> None:
    after = base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")
    assert site.get(f"{target}?after={after}").status == 200


@pytest.mark.parametrize("member", ["files", "failures", "groups"])
def test_a_list_has_the_names_by_which_its_folder_was_asked_for(store: Store, library: Path, member: str) -> None:
    for name in ("a", "b"):
        make_file(library / f"{name}.mp4", b"the same")
        make_file(library / f"broken {name}.mp4", b"broken")
    scan(store, library)
    target = {"files": "/api/v1/files", "failures": FAILURES, "groups": DUPES}[member]

    def folders(reply: Reply) -> set[str]:
        entries = reply.json[member]
        files = entries if member != "groups" else [file for group in entries for file in group["files"]]
        return {os.path.dirname(file["path"]) for file in files}

    with serving(store.path, f'[[paths.map]]\nfrom = "/Volumes/Media"\nto = "{library}"\n') as site:
        assert folders(site.get(f"{target}?under=/Volumes/Media")) == {"/Volumes/Media"}
        assert folders(site.get(f"{target}?under={library}")) == folders(site.get(target)) == {str(library)}


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
