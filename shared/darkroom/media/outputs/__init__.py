"""Outputs: the files that providers made, their checks, and the small images made from them."""
