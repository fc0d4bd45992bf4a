"""Durations, sizes, and the example file, which shows the values of all keys."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.config import Config, load
from qacache.config.example import render, write_example
from qacache.config.mounts import MountLimits
from qacache.config.sections import keys
from qacache.config.units import format_duration, format_size, parse_duration, parse_size
from qacache.errors import ConfigError

PROJECT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("30s", 30), ("12h", 43200), ("500ms", 0.5), ("1h30m", 5400), ("7d", 604800), ("1d1ms", 86400.001)),
        *(("5", 5), ("0.25", 0.25), ("1.5h", 5400), ("0s", 0), ("90m", 5400)),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "5 s", "s", "30m1h", "1h1h", "1.2.3s", ".s", "nan", "inf", "-5s", "1e999"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.floats(min_value=0, allow_infinity=False) | st.integers(0, 10**13).map(lambda ms: ms / 1000))
def test_a_formatted_duration_reads_as_the_same_number(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(5400, "1h30m"), (0.5, "500ms"), (86400, "1d"), (0, "0s")])
def test_durations_are_written_in_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("1GiB", 1 << 30), ("384 MiB", 384 << 20), ("1.5KiB", 1536), ("2GB", 2 * 10**9), ("12B", 12), ("7", 7)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "1gib", "-1", "1XB", "MiB", "1.5.1MiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


@given(st.integers(0, 1 << 70))
def test_a_formatted_size_reads_as_the_same_number(size: int) -> None:
    assert parse_size(format_size(size)) == size


def uncommented(text: str) -> str:
    return re.sub(r"(?m)^# ", "", text)


def test_the_example_as_it_is_sets_nothing(tmp_path: Path) -> None:
    write_example(tmp_path / "config.toml")
    assert load(config_path=tmp_path / "config.toml", environ={}).origins == {}


def test_the_example_uncommented_sets_every_key_to_its_default(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(uncommented(render()), encoding="utf-8")
    settings = load(config_path=file, environ={})
    assert set(settings.origins) == {key.name for _, key in keys()}
    assert settings.config.scan == Config().scan
    assert settings.config.ffprobe == Config().ffprobe
    assert settings.config.mounts.by_folder == {"/mnt/nas": MountLimits()}
    assert settings.config.paths.map == (("/Volumes/Media", "/mnt/media"),)
    assert settings.config.db.busy_timeout_s == Config().db.busy_timeout_s
    assert settings.config.db.path == os.path.expanduser("~/.local/share/qacache/qacache.db")


def test_the_example_describes_every_key() -> None:
    text = render()
    for _, key in keys():
        beginnings = [f"{key.bare_name} = " if key.bare_name else f"[{key.name}.", f"[[{key.name}]]"]
        assert any(f"Variable: {key.variable}\n# {beginning}" in text for beginning in beginnings)
    assert max(len(line) for line in text.splitlines()) <= 110


def test_the_example_shows_nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/this-machine")
    assert "this-machine" not in render()


def test_the_example_in_the_project_is_up_to_date() -> None:
    assert (PROJECT / "examples" / "config.toml").read_text(encoding="utf-8") == render()


def test_the_example_is_printed() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "qacache.config.example"],
        cwd=PROJECT,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.decode() == render()


def test_the_example_is_written_into_a_new_folder_once(tmp_path: Path) -> None:
    file = tmp_path / "new" / "config.toml"
    write_example(file)
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists already") as caught:
        write_example(file)
    assert caught.value.hint == "remove it first, or name another file"
    assert file.read_text(encoding="utf-8") == "mine"


def test_an_example_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"file/sub/config\.toml cannot be written"):
        write_example(tmp_path / "file" / "sub" / "config.toml")
