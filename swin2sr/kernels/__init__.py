"""Compiled kernels for training on a CPU: whole window blocks and convolutions, both ways.

A window's intermediate results never leave the cache. ``build`` compiles ``source/`` (C++, no
dependencies) once per machine, ``library`` calls it through ctypes, ``block`` and ``convolution``
make functions of it that PyTorch differentiates, ``verify`` compares them with PyTorch, ``attach``
gives them to a network. Without a C++ compiler, or with ``SWIN2SR_KERNELS=0``, PyTorch computes
everything.
"""
