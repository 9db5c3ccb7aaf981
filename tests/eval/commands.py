"""Runs of the command line on the small set, and the tables they end in."""

from __future__ import annotations

from pathlib import Path

from eval.cli import main

QUALITY = ("images.csv", "means.csv")


def words(data: Path, *more: str, models: tuple[str, ...] = ("bicubic",)) -> list[str]:
    return ["run", "--model", *models, "--data", str(data), "--set", "Trio", *more]


def measure(data: Path, out: Path, *more: str, models: tuple[str, ...] = ("bicubic",)) -> int:
    return main(words(data, "--out", str(out), "--threads", "1", *more, models=models))


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in QUALITY}
