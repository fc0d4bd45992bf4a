"""The store: one SQLite database that holds what is known of every file.

`reader` answers questions, `session.Store` is for those who write, too. SQL and sqlite_utils live in this package and
nowhere else. A look-up loads `reader` alone: import what you need from its module.
"""
