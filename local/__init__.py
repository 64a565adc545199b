"""The local stack: the whole system on one machine, started by `python -m local run`."""
