"""`qacache probe`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qacache.cli.options import ConfigOption, EngineOption, JsonOption, command_app, exit_statuses
from qacache.config import load
from qacache.models import Failure
from qacache.paths import absolute
from qacache.probe.engines import make_prober
from qacache.record import path_fields
from qacache.text import json_line

if TYPE_CHECKING:
    from qacache.models import Probe

_SOME_FAILED = 3

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 13, 130))
def probe(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="The files to probe.")],
    config: ConfigOption = None,
    engine: EngineOption = None,
    json: JsonOption = False,
) -> None:
    """Say what is in files, and remember nothing of it.

    With --json in ffprobe's own form, as of ffprobe -show_format -show_streams.
    """
    settings = load(config_path=config, flags={"ffprobe.engine": engine}).config
    prober = make_prober(settings.ffprobe)
    failed = 0
    try:
        for file in files:
            path = absolute(os.fsencode(file))
            answer = prober.probe(path)
            failed += isinstance(answer, Failure)
            if json:
                sys.stdout.write(json_line(_as_ffprobe(path, answer)))
            else:
                from qacache.cli.tables import write_probe

                write_probe(path, answer)
            sys.stdout.flush()
    finally:
        prober.close()
    raise typer.Exit(_SOME_FAILED if failed else 0)


def _as_ffprobe(path: bytes, answer: Probe | Failure) -> dict[str, Any]:
    name = path_fields(path)
    filename = {"filename": name["path"]} | ({"filename_b64": name["path_b64"]} if "path_b64" in name else {})
    if isinstance(answer, Failure):
        return {"error": {"string": answer.message, "reason": answer.reason}, "format": filename}
    return {**answer.raw, "format": {**filename, **answer.raw["format"]}}
