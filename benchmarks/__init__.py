"""How fast aioqueue is, measured as it is shipped: `python -m benchmarks`, or `make bench`.

A figure is measured in a process of its own, several times, in turn with all others, beside what the same work takes
written by hand. `figures` says what is measured and what is aimed at; `measure` measures one; `report` tells.
"""
