"""Drawn worlds: pictures made by a program that knows the exact label of every pixel."""
