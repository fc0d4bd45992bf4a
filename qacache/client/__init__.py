"""The client of `qacache serve`: what a command asks of a store, asked of a server.

In: the configuration's `client` section, and what a command was asked. Out: the same values as the store gives
(`Answer`, `Found`, `Group`, `FailedFile`, `JournaledScan`, events), so that whatever shows the ones shows the others.
"""
