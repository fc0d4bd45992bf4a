"""Backups: finished, verified copies of the store, and the way back from one.

A backup is one SQLite file in rollback mode, which may lie on a network filesystem, as it is never written again and
only opened as immutable; and its manifest, which has its checksum.
"""
