"""Wireloom beside its peers and beside the bare drivers, in one run.

`python -m benchmarks.run` runs every case of `benchmarks.cases`; see there how to add one.
"""
