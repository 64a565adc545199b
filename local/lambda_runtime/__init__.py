"""The functions in AWS's own Lambda sandbox."""
