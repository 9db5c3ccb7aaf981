"""Compiled kernels for training on a CPU: a whole window block at once, forward and backward.

A window's intermediate results never leave the cache. ``build`` compiles ``source/`` (C++, no
dependencies) once per machine, ``library`` calls it through ctypes, ``block`` makes it a function
that PyTorch differentiates, ``verify`` compares it with PyTorch, ``attach`` gives it to the blocks
of a network. Without a C++ compiler, or with ``SWIN2SR_KERNELS=0``, PyTorch computes everything.
"""
