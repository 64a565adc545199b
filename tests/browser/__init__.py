"""Tests of the gallery in Chromium, against the local stack."""
