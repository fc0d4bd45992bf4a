"""Scanning: a scan of the server runs in a process of its own.

In the server's process it would take turns with the answers: each would take twice as long. And whatever a scan takes
of memory is given back when it ends, and whatever ends it ends nothing else. `process` is the server's side of it,
`child` the program of that process, `reports` what goes to and fro, `tally` what is counted there for the metrics.
"""
