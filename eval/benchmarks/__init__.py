"""Speed, memory, size of networks: ``python -m eval.benchmarks.{speed,scaling,counts} --help``."""
