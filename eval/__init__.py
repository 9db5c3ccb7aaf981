"""Evaluation suite: ``python -m eval --help``."""

import swin2sr  # noqa: F401 - before torch: it sets how OpenMP threads wait
