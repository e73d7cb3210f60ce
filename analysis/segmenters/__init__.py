"""Segmenters: what names the pixels of an image. One module per family, and a registry."""
