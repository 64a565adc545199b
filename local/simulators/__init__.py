"""The simulated providers, and their common parts."""
