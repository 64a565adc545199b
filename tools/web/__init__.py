"""The gallery in `web/`: which files are served, and with which headers."""
