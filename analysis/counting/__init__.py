"""Counting: the joint histograms of units and concepts, and the sums behind intervals and nulls."""
