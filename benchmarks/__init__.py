"""What qacache promises of its speed, measured: `make bench` prints the table.

Every figure is a ratio of two things measured in the same run, in turns, medians of several runs: the machine may be
slow or busy, the ratio holds all the same.
"""
