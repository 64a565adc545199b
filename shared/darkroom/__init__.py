"""Darkroom: turns a prompt into stored images, and keeps the ledger."""
