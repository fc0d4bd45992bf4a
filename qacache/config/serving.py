"""The keys of `qacache serve`, and of those that ask it: the sections of the TOML file that are about HTTP and logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qacache.config import kinds
from qacache.config.addresses import ADDRESS, HOSTS, NETWORKS, ORIGINS, URL
from qacache.config.keys import key
from qacache.config.maps import MAP
from qacache.config.units import HOUR_S

if TYPE_CHECKING:
    pass

LOG_FORMATS = ("auto", "text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where `qacache serve` listens, and who may ask."""

    addr: str = key(
        "server.addr",
        ADDRESS,
        "127.0.0.1:8417",
        "The address and port to listen on. Any other machine can ask only where this is not an address of this one "
        "alone; that takes server.token_file, and a proxy that speaks TLS.",
        flag="--addr",
    )
    ops_addr: str = key(
        "server.ops_addr",
        ADDRESS,
        "",
        "A second address for operators: metrics, readiness, and the control of scans, which are then to be had there "
        "alone. Without it, all is at server.addr.",
    )
    token_file: str = key(
        "server.token_file",
        kinds.PATH_OR_NONE,
        "",
        "The tokens that are accepted, as `qacache token new` writes them. Without one, everybody who can reach the "
        "address may do everything. systemd's credential `tokens` is used where there is one.",
    )
    allow: tuple[str, ...] = key(
        "server.allow",
        NETWORKS,
        (),
        "The networks whose machines may ask, such as 192.168.1.0/24. Without any, all may.",
    )
    ops_allow: tuple[str, ...] = key(
        "server.ops_allow", NETWORKS, (), "The networks whose machines may ask at server.ops_addr."
    )
    trusted_proxies: tuple[str, ...] = key(
        "server.trusted_proxies",
        NETWORKS,
        (),
        "The proxies whose X-Forwarded-For says who asks.",
    )
    hosts: tuple[str, ...] = key(
        "server.hosts",
        HOSTS,
        (),
        "The names by which this server is asked, besides localhost and server.addr itself: a request for another "
        "one was led here by somebody's DNS.",
    )
    cors_origins: tuple[str, ...] = key(
        "server.cors_origins",
        ORIGINS,
        (),
        "The sites whose pages may ask by a browser, such as https://media.example.org.",
    )
    workers: int = key(
        "server.workers",
        kinds.WHOLE,
        8,
        "How many requests are answered at a time, of which half may be long ones.",
        minimum=2,
        maximum=64,
    )
    max_connections: int = key(
        "server.max_connections",
        kinds.WHOLE,
        1024,
        "How many connections may be open: beyond that, those that are idle are closed.",
        minimum=16,
        maximum=65_536,
    )
    event_clients: int = key(
        "server.event_clients",
        kinds.WHOLE,
        64,
        "How many clients may follow the events of scans.",
        minimum=0,
        maximum=1024,
    )
    drain_s: float = key(
        "server.drain",
        kinds.DURATION,
        20.0,
        "How long requests and a scan may take to end once the server is to stop.",
        minimum=0,
        maximum=HOUR_S,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a Prometheus sees."""

    path: str = key(
        "metrics.path",
        kinds.URL_PATH,
        "/metrics",
        "Where the metrics are to be had.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What `qacache serve` says of what it does."""

    output: str = key(
        "log.output",
        kinds.LOG_OUTPUT,
        "stderr",
        "stderr, which systemd's journal takes, or a file; one that was moved is made anew.",
    )
    format: str = key(
        "log.format",
        kinds.choice("format", *LOG_FORMATS),
        "auto",
        "text, for people; json, an object a line; or auto: text on a terminal, and json elsewhere.",
    )
    level: str = key(
        "log.level",
        kinds.choice("level", *LOG_LEVELS),
        "info",
        "What is worth a line: debug (each request, too), info, warning or error.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """What other machines call the folders of this one."""

    map: tuple[tuple[str, str], ...] = key(
        "paths.map",
        MAP,
        (),
        "A table for each folder that others have another name for: `from` is theirs, `to` is that of the store. Of "
        "several that fit, the longest counts; slashes at the end and Unicode forms make no difference.",
        usual_default=MAP.show((("/Volumes/Media", "/mnt/media"),)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The server to ask, instead of a store of one's own."""

    server_url: str = key(
        "client.server_url",
        URL,
        "",
        "The server that lookup, find, dupes, failures, scans, reprobe and scan ask, such as http://nas.local:8417.",
        flag="--server",
    )
    token_file: str = key(
        "client.token_file",
        kinds.PATH_OR_NONE,
        "",
        "The file whose first line is the token to show, which nobody else may read.",
    )
    connect_timeout_s: float = key(
        "client.connect_timeout",
        kinds.DURATION,
        2.0,
        "How long to wait for the server to be there.",
        minimum=0.01,
        maximum=HOUR_S,
    )
    timeout_s: float = key(
        "client.timeout",
        kinds.DURATION,
        30.0,
        "How long a server may be waited for while it answers one question. Scans and probes take as long as they "
        "take.",
        minimum=0.1,
        maximum=24 * HOUR_S,
    )
