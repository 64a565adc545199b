"""The other services of AWS, one module each."""
