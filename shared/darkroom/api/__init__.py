"""The HTTP API, and nothing but HTTP."""
