"""The wire format: what requests hold, and what responses show."""
