"""What the README says of HTTP, done as it is printed there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qacache.config import load
from tests.api_server import DEADLINE_S, Site, serving, until
from tests.command import PROJECT, make_script
from tests.media import make_file

SECTION = re.search(
    r"^## Over HTTP\n(.*?)^## ", (PROJECT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
assert SECTION is not None
TEXT = SECTION[1]
SERVE, *COMMANDS = re.findall(r"^    \$ (.*)$", TEXT, re.MULTILINE)
(TOML,) = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a `qacache` to be called."""
    (tmp_path / "bin").mkdir()
    make_script(tmp_path / "bin" / "qacache", f'exec {sys.executable} -m qacache "$@"')
    return tmp_path


@pytest.fixture
def site(home: Path, library: Path, parrot: Path) -> Iterator[Site]:
    make_file(library / "a.mp4", b"a")
    flags = {"ffprobe__engine": "ffprobe", "ffprobe__path": str(parrot / "ffprobe")}
    with serving(home / "qacache.db", f'[scan]\nroots = ["{library}"]\n', **flags) as site:
        yield site


def printed(word: str) -> str:
    """The command of the section that has `word` in it."""
    (command,) = [command for command in COMMANDS if word in command]
    return command


def running(command: str, site: Site, home: Path, library: Path) -> subprocess.Popen[bytes]:
    """The command, with the server and folder of the test in the place of those that are printed."""
    for old, new in (
        ("https://nas.example.org", f"http://127.0.0.1:{site.port}"),
        ("127.0.0.1:8417", f"127.0.0.1:{site.port}"),
        ("/mnt/media", str(library)),
    ):
        command = command.replace(old, new)
    environment = {
        "PATH": f"{home}/bin{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(PROJECT),
        "LC_ALL": "C.UTF-8",
    }
    shell = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.Popen(shell, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def output(command: str, site: Site, home: Path, library: Path) -> str:
    out, err = running(command, site, home, library).communicate(timeout=DEADLINE_S)
    assert err == b""
    return out.decode()


@pytest.fixture
def scanned(site: Site, home: Path, library: Path) -> Site:
    """The same server, after the scan that the section begins."""
    run = json.loads(output(printed("/scans"), site, home, library))
    assert run["roots"] == [str(library)]
    until(lambda: site.get(f"/api/v1/scans/{run['scan_id']}").json["state"] == "complete")
    return site


def test_the_server_is_started_as_printed() -> None:
    assert SERVE == "qacache serve &"
    assert load(environ={}).config.server.addr == "127.0.0.1:8417"


def test_files_are_looked_up_as_printed(scanned: Site, home: Path, library: Path) -> None:
    assert json.loads(output(printed("lookup?path="), scanned, home, library))["status"] == "ok"
    header, row = output(printed("--data-binary"), scanned, home, library).splitlines()
    assert header.split("\t") == ["path", "status", "duration_s"]
    assert row.split("\t")[:2] == [f"{library}/a.mp4", "ok"]


def test_files_are_found_as_printed(scanned: Site, home: Path, library: Path) -> None:
    # jq may not be there, and is not what is tried here
    command, _, _ = printed("/files?").partition(" | ")
    assert [each["path"] for each in json.loads(output(command, scanned, home, library))["files"]] == [
        f"{library}/a.mp4"
    ]


def test_the_library_is_exported_as_printed(scanned: Site, home: Path, library: Path) -> None:
    assert output(printed("/export"), scanned, home, library) == ""
    assert json.loads((home / "library.ndjson").read_bytes())["path"] == f"{library}/a.mp4"


def test_readiness_and_metrics_are_told_as_printed(scanned: Site, home: Path, library: Path) -> None:
    checks = json.loads(output(printed("/ready"), scanned, home, library))["checks"]
    assert {"database-schema", "root-present"} <= {check["check"] for check in checks}
    assert "# TYPE qacache_" in output(printed("/metrics"), scanned, home, library)


def test_events_are_followed_as_printed(site: Site, home: Path, library: Path) -> None:
    follower = running(printed("/events"), site, home, library)
    try:
        assert follower.stdout is not None
        output(printed("/scans"), site, home, library)
        for line in follower.stdout:
            if line.startswith(b"data:") and json.loads(line[5:]).get("scan_id") is not None:
                break
        else:
            raise AssertionError("no event of the scan came")
    finally:
        follower.kill()
        follower.communicate()


def test_tokens_are_made_and_shown_as_printed(home: Path, library: Path) -> None:
    config = home / "config.toml"
    config.write_text(TOML.replace("~", str(home)))
    settings = load(config_path=config, environ={}).config
    assert settings.paths.map == (("/Volumes/Media", "/mnt/media"),)
    make, ask = printed("token new"), printed("$TOKEN")
    output(f'{make}; echo "$TOKEN" > shown', Site(0), home, library)
    with serving(home / "guarded.db", TOML.replace("~", str(home))) as guarded:
        told = output(f"TOKEN=$(cat shown); {ask}", guarded, home, library)
    assert json.loads(told)["total"]["files"] == 0
