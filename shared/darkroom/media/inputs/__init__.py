"""Inputs: the files that users upload, and the images for models that are made from them."""
