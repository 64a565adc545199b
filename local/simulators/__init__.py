"""Simulated providers, and what they have in common."""
