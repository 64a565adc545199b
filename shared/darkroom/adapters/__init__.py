"""The edges, one service each."""
