"""Commands for maintainers: check a build, fill and audit a stack, print the catalog."""
