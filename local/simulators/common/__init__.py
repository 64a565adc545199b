"""What the simulated providers have in common: a server with a clock, routes, faults, and the files that they draw."""
