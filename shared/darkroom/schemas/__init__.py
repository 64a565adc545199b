"""The wire format: the bodies of requests and responses."""
