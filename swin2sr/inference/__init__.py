"""Inference: one picture through one network, in tiles, within the memory there is."""
