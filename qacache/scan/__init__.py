"""Scanning: from folders to events, a stage a module.

`discovery` walks, `merge` compares with the store, `settle` waits for writers, `digest` and `reuse` tell known
content, `crew` probes the rest on `workers`, `batches` stores; `pipeline` puts them together for a library,
`refresh` for single files. `roots` says which folders may be scanned at all.
"""

from __future__ import annotations
