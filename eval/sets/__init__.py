"""Benchmark pictures: which sets there are, where they come from, how LR is made."""
