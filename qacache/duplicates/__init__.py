"""Duplicates: files with the same content, proven by reading them, and which of them to keep.

`groups` is what comes out, `verification` the way there from the store's candidates: files are looked at (`access`),
compared (`comparison`) and judged (`inspection`). `keeping` says which copy is to stay. Nothing here deletes anything.
"""
