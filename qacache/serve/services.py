"""What the endpoints of the API have to work with, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qacache.config import Config
    from qacache.pathmap import Translation
    from qacache.serve.broadcast import Broadcast
    from qacache.serve.etags import StoreVersions
    from qacache.serve.jobs import Jobs
    from qacache.serve.messages import Response
    from qacache.serve.metrics import Metrics
    from qacache.serve.readers import Readers
    from qacache.serve.watch import Watch


@dataclass(slots=True, kw_only=True)
class Services:
    """All that requests are answered with.

    `paths` makes of a client's paths those of the store; `about` are the versions of all that answers depend on;
    `openapi` is the document that describes the routes.
    """

    config: Config
    readers: Readers
    paths: Translation
    versions: StoreVersions
    jobs: Jobs
    broadcast: Broadcast
    readiness: Watch
    metrics: Metrics
    about: Mapping[str, Any]
    openapi: Response
