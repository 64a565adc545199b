"""Sample events of the functions, filled in with things that exist on the running local stack."""
