"""API Gateway on this machine: the HTTP API in front of the functions."""
