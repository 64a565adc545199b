"""The common parts of the simulated providers: server, timers, routes, faults, drawn files."""
