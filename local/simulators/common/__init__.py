"""The common parts of the simulated providers: server, timers, routes, faults, output files."""
