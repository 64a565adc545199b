"""Darkroom turns a prompt into stored images and videos, and charges credits for them."""

__version__ = "0.1.0"
