"""The OpenAPI document, held against the server: by schemathesis, and by what no program can tell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from qacache import __version__
from qacache.events import Vanished
from qacache.serve.api.catalog import routes
from qacache.store import migrations
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.api_server import Site, bearer, make_tokens, serving
from tests.media import make_file
from tests.rows import failed, probed
from tests.shelves import fill

DOCUMENT = "/api/v1/openapi.json"
# a stream that has no end is no answer that could be checked
ENDLESS = "/api/v1/events"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "qacache.db"
    migrations.create(str(path), 0.2)
    fill(str(path))
    with Writer(str(path), busy_timeout_s=5.0, retries=RetrySchedule(60, 3600)) as writer:
        writer.write([probed(b"/v/odd\xff.mp4"), failed(b"/v/broken.mp4"), probed(b"/v/gone.mp4")])
        writer.write([Vanished(b"/v/gone.mp4")])
    return path


@pytest.fixture
def toml(tmp_path: Path) -> str:
    """A configuration with a root to scan."""
    return f'[scan]\nroots = ["{make_file(tmp_path / "library" / "broken.mp4", b"no").parent}"]\n'


@pytest.fixture
def site(db: Path) -> Iterator[Site]:
    with serving(db) as site:
        yield site


def run_schemathesis(site: Site, cwd: Path, *options: str) -> None:
    """Ask all that there is to be asked; fail with what schemathesis has to say."""
    command = [Path(sys.executable).parent / "schemathesis", "--config-file", cwd / "schemathesis.toml", "run"]
    (cwd / "schemathesis.toml").write_text("")
    asked = [f"http://127.0.0.1:{site.port}{DOCUMENT}", "--checks", "all", "--exclude-path", ENDLESS]
    # the same each time: what is new is to be found by those who change something
    limits = ["--max-examples", "8", "--seed", "1", "--generation-database", "none", "--request-timeout", "20"]
    done = subprocess.run(
        [*command, *asked, *limits, "--no-color", *options], cwd=cwd, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 21" in done.stdout


def test_all_that_is_asked_without_a_token_is_answered_as_the_document_says(
    db: Path, toml: str, tmp_path: Path
) -> None:
    with serving(db, toml) as site:
        run_schemathesis(site, tmp_path)


def test_all_that_is_asked_with_a_token_is_answered_as_the_document_says(db: Path, toml: str, tmp_path: Path) -> None:
    (token,) = make_tokens(tmp_path / "tokens", "write")
    with serving(db, toml, server__token_file=str(tmp_path / "tokens")) as site:
        run_schemathesis(site, tmp_path, "--header", f"Authorization: {bearer(token)['Authorization']}")


def test_every_route_is_described_with_all_its_parameters(site: Site) -> None:
    document = site.get(DOCUMENT).json
    assert document["info"]["version"] == __version__
    described = {
        (method.upper(), path): [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described == {
        (route.method, route.template): [each.name for each in route.parameters] for route in routes("/metrics")
    }


def test_every_operation_has_a_name_of_its_own_and_a_summary(site: Site) -> None:
    operations = [each for path in site.get(DOCUMENT).json["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"] and not each["summary"].endswith(".") for each in operations)


def test_tokens_and_their_scopes_are_told_where_there_are_any(db: Path, site: Site, tmp_path: Path) -> None:
    assert "securitySchemes" not in site.get(DOCUMENT).json["components"]
    (token,) = make_tokens(tmp_path / "tokens", "read")
    with serving(db, server__token_file=str(tmp_path / "tokens")) as guarded:
        document = guarded.get(DOCUMENT, **bearer(token)).json
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    scopes = {operation.get("x-scope") for path in document["paths"].values() for operation in path.values()}
    assert scopes == {None, "read", "write"}
    assert "security" not in document["paths"]["/livez"]["get"]


def validator(site: Site, name: str) -> Any:
    document = site.get(DOCUMENT).json
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def test_the_lines_of_ndjson_are_records_too(site: Site) -> None:
    record = validator(site, "Record")
    lines = site.get("/api/v1/export").lines
    lines += site.post("/api/v1/lookup", ["/v/no.mp4", "/v/gone.mp4"], Accept="application/x-ndjson").lines
    assert {line["status"] for line in lines} == {"ok", "failed", "vanished", "unknown"}
    for line in lines:
        record.validate(line)


def test_the_lines_of_a_reprobe_are_events(db: Path, toml: str, tmp_path: Path) -> None:
    with serving(db, toml) as site:
        event = validator(site, "Event")
        lines = site.post("/api/v1/reprobe", [str(tmp_path / "library")]).lines
        assert [line["event"] for line in lines] == ["failed", "summary"]
        for line in lines:
            event.validate(line)
