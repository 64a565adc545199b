"""The functions in AWS's own Lambda execution environment."""
