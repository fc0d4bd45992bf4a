"""Readiness: is everything there that qacache needs, and does it answer?

The configuration comes in, a `Finding` for each check goes out, as they come. `qacache doctor` prints them. A server
may ask for them all the time, as nothing here hangs, and what hangs is asked once. `verdicts` is what is said, `rounds`
has the checks made, and the other modules are the checks: of the store, of this system, of the probers, of the roots.
Roots may hang for good, and so `scouts` sends children to them.
"""
