"""The scanners of `make scan`, in an environment of their own."""
