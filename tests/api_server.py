"""A server to ask: the whole of it, on a port of its own, over a real socket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from qacache.config import load
from qacache.serve.notify import Notifier
from qacache.serve.service import Service
from qacache.serve.tokens import Scope, new_token

DEADLINE_S = 20.0


class Reply(NamedTuple):
    """An answer: `fields` are as they came, by their names in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The lines of NDJSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def rows(self) -> list[list[str]]:
        """The lines of tab-separated values, the header first."""
        return [line.split("\t") for line in self.body.decode().removesuffix("\n").split("\n")]

    @property
    def detail(self) -> str:
        """What is said to be wrong, in the form that this has."""
        assert self.fields["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return str(self.json["detail"])


class Site:
    """Asks the server at `port`, each time over a new connection; `fields` are sent with all requests.

    `ops` asks where operators do.
    """

    def __init__(self, port: int, fields: Mapping[str, str] | None = None) -> None:
        self.port = port
        self.fields = dict(fields or {})
        self.ops = self

    def ask(self, method: str, target: str, body: bytes | None = None, **fields: str) -> Reply:
        """Send a request; underscores in the names of `fields` are dashes."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        sent = self.fields | {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            connection.request(method, target, body, sent)
            response = connection.getresponse()
            got = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, got, response.read())
        finally:
            connection.close()

    def get(self, target: str, **fields: str) -> Reply:
        return self.ask("GET", target, **fields)

    def post(self, target: str, body: object = None, **fields: str) -> Reply:
        """Send `body`: bytes as they are, all else as JSON."""
        if isinstance(body, bytes):
            return self.ask("POST", target, body, **fields)
        return self.ask("POST", target, json.dumps(body).encode(), **{"Content-Type": "application/json"} | fields)


@contextmanager
def serving(db: Path | str, toml: str = "", **flags: object) -> Iterator[Site]:
    """The server of the store `db`; `flags` are keys of the configuration with `__` for dots, `toml` the rest of it."""
    db = Path(db)
    config_path = db.with_suffix(".toml")
    config_path.write_text(toml)
    values = {"db.path": str(db), "server.addr": "127.0.0.1:0", "server.drain": "5s", "log.level": "error"}
    values |= {name.replace("__", "."): value for name, value in flags.items()}  # type: ignore[misc]
    settings = load(config_path=config_path, flags=values, environ={})
    service = Service(settings.config, Notifier({}))
    service.start()
    public, *ops = map(Site, service.ports)
    try:
        public.ops = ops[0] if ops else public
        yield public
    finally:
        service.stop()


def make_tokens(path: Path, *scopes: Scope) -> list[str]:
    """Return a token of each scope, which the file at `path` accepts from now on."""
    made = [new_token(scope, f"number {number}") for number, scope in enumerate(scopes)]
    path.write_text("".join(known.line() for _, known in made))
    path.chmod(0o600)
    return [token for token, _ in made]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def until(condition: Callable[[], Any]) -> Any:
    """Return what `condition` does as soon as that is something; fail where it does not become so."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come to that")
