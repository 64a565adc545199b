"""The whole system on one machine: `python -m local run`."""
