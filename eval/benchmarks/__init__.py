"""Benchmarks: ``python -m eval.benchmarks.NAME --help``; speed, scaling, counts, training."""
