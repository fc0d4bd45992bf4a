"""Versions: of everything that answers may depend on."""

from __future__ import annotations

import platform
import re
import sqlite3
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from qacache.config.sections import Ffprobe
from qacache.probe.libav import prober as libav_prober
from qacache.versions import PACKAGES, versions

PROJECT = Path(__file__).parents[1]


def test_versions_are_those_of_this_system(parrot: Path) -> None:
    told = versions(Ffprobe(path=str(parrot / "ffprobe")))

    assert told["python"] == platform.python_version()
    assert told["sqlite"] == sqlite3.sqlite_version
    assert told["ffprobe"] == "5.1.9"
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", told["libav"])
    assert {"libavformat", "libavcodec", "libavutil"} <= set(told["libraries"])
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", each) for each in told["libraries"].values())
    assert told["packages"]["xxhash"] == version("xxhash")
    assert None not in told["packages"].values()


def test_what_is_not_there_is_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libav_prober, "find_spec", lambda name: None)
    told = versions(Ffprobe(path=str(tmp_path / "ffprobe")))
    assert (told["libav"], told["libraries"], told["ffprobe"]) == (None, {}, None)


def test_all_packages_that_qacache_depends_on_are_named() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert [re.match(r"[\w-]+", each)[0] for each in sorted(project["dependencies"])] == list(PACKAGES)  # type: ignore[index]
