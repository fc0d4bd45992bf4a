"""The schemas of the API (JSON Schema 2020-12): the shapes of `qacache.record` and its neighbours, for programs."""

from __future__ import annotations

from typing import Any, get_args

from qacache.models import Hdr, Orientation
from qacache.readiness.verdicts import State
from qacache.serve.api.parameters import DURATION_PATTERN, PATH_PATTERN

_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_NUMBER: dict[str, Any] = {"type": "number"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_BOOLEAN: dict[str, Any] = {"type": "boolean"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}, **more}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _see(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_PATH = {"path": _TEXT}
_PATH_B64 = {"path_b64": {**_TEXT, "description": "The bytes of a path that is no UTF-8, in base64."}}
_ABSOLUTE = {**_TEXT, "pattern": f"^({PATH_PATTERN})$"}
# that of a slash, and what comes after it
_B64_OF_ABSOLUTE = "^L([w-z][0-9A-Za-z+/]{2}|[0-9+/][0-9A-Za-z+/]{2})([0-9A-Za-z+/]{4})*$"
_FAILURE = {
    "stage": _TEXT,
    "reason": _TEXT,
    "message": _TEXT,
    "attempts": _COUNT,
    "failed_at": _TIME,
    "next_retry": _TIME,
    "prober": _or_null(_TEXT),
}
_AMOUNT = {"files": _COUNT, "size": _COUNT, "duration_s": _NUMBER}
_NAMED_AMOUNTS = _list(_object({"name": _or_null(_TEXT), **_AMOUNT}))
_NEXT = {"next": _or_null({**_TEXT, "description": "For the page after this one: `after`. Null where there is none."})}
_FINDING = _object(
    {
        "event": {"const": "check"},
        "check": _TEXT,
        "state": {"enum": list(get_args(State))},
        "message": _TEXT,
        "hint": _or_null(_TEXT),
        "path": _or_null(_TEXT),
    },
    _PATH_B64,
)

SCHEMAS: dict[str, dict[str, Any]] = {
    "Problem": _object(
        {"type": _TEXT, "title": _TEXT, "status": _WHOLE}, {"detail": _TEXT, "hint": _TEXT, "kind": _TEXT}
    ),
    "Status": _object({"status": {"const": "ok"}}),
    "Text": _TEXT,
    "Document": {"type": "object"},
    "Versions": {"type": "object"},
    "Media": _object(
        {"format_name": _TEXT, "streams": _list({"type": "object"}), "tags": {"type": "object"}},
        {
            "duration_s": _or_null(_NUMBER),
            "bit_rate": _or_null(_WHOLE),
            "orientation": {"enum": [*get_args(Orientation), None]},
            "hdr": {"enum": [*get_args(Hdr), None]},
        },
    ),
    "Record": _object(
        {
            **_PATH,
            "status": {"enum": ["ok", "failed", "vanished", "unknown"]},
            "size": _or_null(_COUNT),
            "mtime_ns": _or_null(_WHOLE),
            "digest": _or_null(_TEXT),
            "first_seen": _or_null(_TIME),
            "last_seen": _or_null(_TIME),
            "probed_at": _or_null(_TIME),
            "prober": _or_null(_TEXT),
            "media": _or_null(_see("Media")),
            "error": _or_null(_object(_FAILURE)),
        },
        _PATH_B64,
    ),
    "Records": _list(_see("Record")),
    "Found": {"anyOf": [_see("Record"), _see("Records")]},
    "Page": _object({"files": _list(_see("Record")), **_NEXT}),
    "Statistics": _object(
        {
            **{name: _object(_AMOUNT) for name in ("total", "ok", "vanished")},
            "root": _list(_object({"path": _or_null(_TEXT), **_AMOUNT}, _PATH_B64)),
            **dict.fromkeys(
                ("video_codec", "resolution", "orientation", "hdr", "format_name", "failure"), _NAMED_AMOUNTS
            ),
        }
    ),
    "Duplicates": _object(
        {
            "groups": _list({"type": "object"}),
            "total": _object(dict.fromkeys(("groups", "copies", "size", "wasted"), _COUNT)),
            **_NEXT,
        }
    ),
    "Scan": _object({"scan_id": _WHOLE, "state": _TEXT, "started": _TIME, "finished": _or_null(_TIME)}),
    "Scans": _object({"scans": _list(_see("Scan"))}),
    "Changes": _object({"scan_id": _WHOLE, "changes": _list({"type": "object"}), **_NEXT}),
    "Failures": _object({"failures": _list(_object({**_PATH, **_FAILURE}, _PATH_B64)), **_NEXT}),
    "Run": _object({"scan_id": _or_null(_WHOLE), "state": _TEXT, "roots": _list(_TEXT), "error": _or_null(_TEXT)}),
    "Event": _object({"event": _TEXT}),
    "Readiness": _object(
        {"status": {"enum": ["ok", "failed", "stopping"]}, "failed": _list(_FINDING), "checks": _list(_FINDING)}
    ),
    "Paths": {
        **_TEXT,
        "pattern": r"^(/[^\x00]*\x00+)+(/[^\x00]*)?$|^(/[^\x00\n]*\n+)*(/[^\x00\n]*)?$",
        "description": "Paths, each with NUL at its end; or a line each, where there is no NUL.",
    },
    "PathList": _list(
        {
            "anyOf": [
                _ABSOLUTE,
                {**_object({"path": _ABSOLUTE}), "not": {"required": ["path_b64"]}},
                _object({"path_b64": {**_PATH_B64["path_b64"], "pattern": _B64_OF_ABSOLUTE}}, _PATH),
            ]
        }
    ),
    "ScanRequest": _object(
        {},
        {
            "roots": {**_list(_ABSOLUTE), "minItems": 1, "description": "Folders; by default those of scan.roots."},
            **dict.fromkeys(("force", "verify_digest", "dry_run", "accept_shrink"), _BOOLEAN),
        },
        additionalProperties=False,
    ),
    "RetryRequest": _object(
        {},
        {
            "under": {**_list(_ABSOLUTE), "minItems": 1, "description": "Files and folders; by default all."},
            "reason": {**_list(_TEXT), "description": "Only what failed for these reasons."},
            "since": {
                **_TEXT,
                "pattern": f"^({DURATION_PATTERN})$",
                "description": "Only what failed in the last 7d, 12h and so on.",
            },
        },
        additionalProperties=False,
    ),
}
"""The schemas by their names."""
