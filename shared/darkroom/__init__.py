"""Darkroom: turns a prompt into stored pictures, and keeps the books."""
