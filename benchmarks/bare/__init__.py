"""Baselines: the transport or the driver alone, used at its best. Each says what it pipelines."""
