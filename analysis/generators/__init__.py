"""Generators: what makes images of latents. One module per family, and a registry."""
