"""The common parts of the simulated providers: a server with timers, routes, faults, drawn files."""
