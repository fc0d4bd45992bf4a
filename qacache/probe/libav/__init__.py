"""The libav prober: FFmpeg's own libraries, in child processes that may crash, hang or leak without harm.

`prober` is the parent's side, `child` the program that a child runs. What a child does with a file, in two steps:
`describe` makes ffprobe's JSON of what PyAV shows of the container, `dump` supplies what only libav's own printed
description of it says. PyAV is imported in the child alone.
"""
