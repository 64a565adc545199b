"""Commands for a build and for a deployed stack."""
