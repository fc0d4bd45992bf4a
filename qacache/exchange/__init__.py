"""Exchange: the store's records, for other programs and other stores.

`exports` yields what is asked for, `ndjson`, `sheets` (CSV) and `qacache.store.snapshot` are its forms, `files` brings
them into a file whole or not at all. `sources` reads them back, whatever their form, `check` lets no record pass that
could not be, `merging` decides between two records of one file, and `imports` is the run that does all that.
"""
