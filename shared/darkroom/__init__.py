"""Darkroom: turns a prompt into stored pictures and films, and keeps the books."""
