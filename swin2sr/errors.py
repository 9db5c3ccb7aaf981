"""Exceptions of one family: fault, limit, and what to do about it."""

from __future__ import annotations


class Swin2SRError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        message: one sentence a person can act on; it names the limit.
        code: short stable name of the fault (for programs and tests).
        remedy: what to do about it; appended to the message.

    ``exit_code`` is what the command line exits with when this error ends the run:
    1 an item failed, 2 usage or output, 3 memory or budget.
    """

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, code: str | None = None, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        self.code = code or type(self).code
        super().__init__(f"{message} {remedy}".strip())


class ImageError(Swin2SRError, ValueError):
    """Picture that cannot be used: empty, not_an_image, corrupt, too_many_bytes,
    too_many_pixels, side_too_long, range, nan."""

    code = "not_an_image"


class WeightsError(Swin2SRError, ValueError):
    """Weights that cannot be used: unsafe, not_weights, wrong_model, bad_values,
    hash_mismatch, offline, not_found, download."""

    code = "not_weights"


class ConfigError(Swin2SRError, ValueError):
    """Configuration or argument outside what is offered; the message lists the choices."""

    code = "config"
    exit_code = 2


class ShapeError(Swin2SRError, ValueError):
    """Tensor or array whose shape does not fit; the message says which shape would."""

    code = "shape"


class KindError(Swin2SRError, TypeError):
    """Value of a type that is not accepted; the message lists the accepted ones."""

    code = "type"


class JobError(Swin2SRError, RuntimeError):
    """Job that cannot run or go on: busy, queue_full, over_budget, memory, deadline, cancelled,
    bad_values (the network gave numbers that are not finite)."""

    code = "job"
    exit_code = 3


class OutputError(Swin2SRError, OSError):
    """Result that cannot be written: exists, output (disk, permission, name)."""

    code = "output"
    exit_code = 2
