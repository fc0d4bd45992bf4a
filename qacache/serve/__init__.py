"""The server: what qacache knows, over HTTP.

Bytes come in at the bottom and requests go up: `heads` reads the head of a request strictly, `connection` gathers one
whole request, `reactor` does so for all connections at once and watches the clock, `pool` has it answered by `handler`,
which is the stdlib's, made safe. What is answered, the modules above say: `access` who may ask, `routes` what there is,
`api` each answer. `jobs` has the store changed, by scans in processes of their own (`scanning`), and `events` tells
what becomes of that. `service` puts it all together and takes it down again.
"""
