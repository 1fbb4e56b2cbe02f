"""Brokers as processes of this machine, on free ports with private data directories."""
