"""Places: which folders are on which mount."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qacache.scan.places import Place, places_at, silent_place


@pytest.fixture
def mountinfo(tmp_path: Path) -> Path:
    """A table of mounts: a share at `nas` in `tmp_path`, and one at `nas/films/4k`."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"30 22 0:50 / {tmp_path}/nas rw - nfs4 nas:/volume1 rw\n"
        f"31 30 0:51 / {tmp_path}/nas/films/4k rw - cifs //nas/4k rw\n"
    )
    (tmp_path / "nas" / "films" / "4k").mkdir(parents=True)
    return table


def test_a_folder_has_a_place_and_what_is_mounted_below_it(tmp_path: Path, mountinfo: Path) -> None:
    home, nas, films = (os.fsencode(tmp_path / name) for name in ("", "nas", "nas/films/4k"))

    assert places_at(home, str(mountinfo)) == [
        Place(home, home, b"/", is_network=False),
        Place(nas, nas, nas, is_network=True),
        Place(films, films, films, is_network=True),
    ]


def test_by_a_symbolic_link_places_have_the_name_that_was_asked_for(tmp_path: Path, mountinfo: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nas")
    link, nas = os.fsencode(tmp_path / "link"), os.fsencode(tmp_path / "nas")

    own, inner = places_at(link, str(mountinfo))

    assert own == Place(link, nas, nas, is_network=True)
    assert inner.folder == link + b"/films/4k"
    assert inner.real_folder == nas + b"/films/4k"


def test_without_a_table_of_mounts_a_place_is_no_network(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)

    assert places_at(folder, str(tmp_path / "none")) == [Place(folder, folder, b"", is_network=False)]


def test_what_does_not_answer_is_a_network(tmp_path: Path) -> None:
    assert silent_place(b"/nas").is_network


@pytest.mark.parametrize(
    ("folder", "path", "holds"),
    [
        (b"/nas", b"/nas", True),
        (b"/nas", b"/nas/x.mp4", True),
        (b"/nas", b"/nas2/x.mp4", False),
        (b"/", b"/nas/x.mp4", True),
    ],
)
def test_a_place_holds_itself_and_what_is_below(folder: bytes, path: bytes, holds: bool) -> None:
    assert Place(folder, folder, b"/", is_network=False).holds(path) is holds
