"""What `make build` and `make deploy` do before and after the SAM CLI."""
