"""Looking inside a network while it works on a visitor's picture: three actions, each a job."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from swin2sr import checkpoints, images, inspect, plots
from swin2sr.config import RestorationConfig
from swin2sr.demo.jobs.crop import Piece, one_of, piece_of
from swin2sr.demo.jobs.inspect_results import Attended, Attributed, States, about_seconds
from swin2sr.demo.jobs.restore import GPU_RATE, GPU_START
from swin2sr.demo.messages import pixels
from swin2sr.demo.queue import Job, Update, Updates
from swin2sr.demo.service import LIMITS, Service
from swin2sr.errors import ConfigError, ImageError, JobError
from swin2sr.inference import hardware
from swin2sr.inference.engine import interruptible
from swin2sr.inference.estimate import SAFE_SHARE, multiplications
from swin2sr.inference.upscaler import Upscaler

# Of an attribution. The paper takes 50; with 10 the maps of two patches (swin2sr-small-x2, a cat's
# eye) correlate with those to 0.998, and the index is at most 0.01 off.
STEPS = (10, 20, 50)
BOXES = (8, 16, 24, 32)  # pixels of the picture that went in, side of a patch
TRIED = 2  # steps after which the time of the others is known
BACKWARD = 4.5  # a step forward and back takes 3 to 4.6 times a run without gradients (measured)


@dataclass(frozen=True)
class Wish:
    """What a network is to be run for: plain values, for it may happen in another process.

    Args:
        path: of the picture.
        name: of the model.
        piece: of the picture.
        ends: of the job, on its clock.
        flow: follow attention through all layers, too.
        box: (x, y, side) of an attribution's patch, in pixels of the piece.
        steps: of an attribution.
    """

    path: str
    name: str
    piece: Piece
    ends: float
    flow: bool = False
    box: tuple[int, int, int] = (0, 0, 1)
    steps: int = 0


class Looking:
    """The actions of the tab "Look inside".

    Args:
        service: where they run.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._attended = service.on_gpu(self._attend, self._seconds)
        self._stated = service.on_gpu(self._state, self._seconds)
        self._attributed = service.on_gpu(self._attribute, self._seconds)

    def attention(
        self, owner: str, path: str | None, name: Any, x: Any, y: Any, side: Any, flow: Any
    ) -> Generator[Update | None, None, None]:
        """Whom a pixel attends to, in every layer and head.

        Args:
            owner: who may stop it.
            path: of the picture.
            name: of the model, one of ``networks()``.
            x, y: of the pixel in the picture; None for the middle.
            side: of the piece at most, one of ``pieces.SIDES``.
            flow: follow it through all layers together, too.
        Yields:
            As ``Service.perform``; the result is ``Attended``.
        """

        def work(job: Job) -> Updates:
            wish = yield from self._prepared(job, path, name, x, y, side, flow=flow is True)
            yield from self._attended(wish)

        yield from self._service.perform(owner, work, "attention")

    def hidden_states(
        self, owner: str, path: str | None, name: Any, x: Any, y: Any, side: Any
    ) -> Generator[Update | None, None, None]:
        """What the network makes of the picture, depth by depth.

        Args:
            owner, path, name, x, y, side: as ``attention``.
        Yields:
            As ``Service.perform``; the result is ``States``.
        """

        def work(job: Job) -> Updates:
            wish = yield from self._prepared(job, path, name, x, y, side)
            yield from self._stated(wish)

        yield from self._service.perform(owner, work, "hidden states")

    def attribution(
        self,
        owner: str,
        path: str | None,
        names: tuple[Any, ...],
        x: Any,
        y: Any,
        side: Any,
        box: Any,
        steps: Any,
    ) -> Generator[Update | None, None, None]:
        """Which pixels a patch of the output comes from, for one network or several.

        Args:
            owner, path, x, y, side: as ``attention``; the pixel is the patch's middle.
            names: of the models.
            box: side of the patch in pixels of the picture that goes in, one of ``BOXES``.
            steps: one of ``STEPS``.
        Yields:
            As ``Service.perform``, an ``Update`` a step; the result is a tuple of ``Attributed``.
        """

        def work(job: Job) -> Updates:
            patch, count = one_of(box, BOXES, "patch"), one_of(steps, STEPS, "steps")
            found: list[Attributed] = []
            total = count * len(names)
            for number, name in enumerate(names):
                wish = yield from self._prepared(
                    job, path, name, x, y, side, box=patch, steps=count
                )
                for update in self._attributed(wish):
                    if update.result is None:
                        yield Update(update.text, number * count + update.done, total)
                    else:
                        found.append(update.result)
            yield Update("Done.", total, total, tuple(found))

        yield from self._service.perform(owner, work, "attribution")

    def piece(self, path: str, name: Any, x: Any, y: Any, side: Any) -> tuple[Piece, np.ndarray]:
        """What would be looked at, and the whole picture, (H, W, 3) in 0..1; runs nothing.

        Raises:
            ConfigError, ImageError: as the actions.
        """
        picture = images.decode(path, limits=LIMITS)
        window = configuration(self._known(name)).window_size
        return piece_of(picture.size, x, y, side, window), picture.pixels

    def _known(self, name: Any) -> str:
        """A model's name, checked: nobody may have another fetched by looking into it."""
        names = networks()
        if name not in names:
            raise ConfigError(
                f"{str(name)[:40]!r} cannot be looked into here; choose {', '.join(names)}."
            )
        return str(name)

    def _prepared(
        self,
        job: Job,
        path: str | None,
        name: Any,
        x: Any,
        y: Any,
        side: Any,
        flow: bool = False,
        box: int = 1,
        steps: int = 0,
    ) -> Generator[Update, None, Wish]:
        """Check everything, cut the piece, get the model."""
        if path is None:
            raise ImageError(
                "There is no picture yet.", code="empty", remedy="Upload one, or take an example."
            )
        known = self._known(name)
        piece, _ = self.piece(path, known, x, y, side)
        job.facts.update(input=(piece.width, piece.height))
        yield from self._service.model(job, known)
        return Wish(path, known, piece, job.ends, flow, piece.box(box), steps)

    def _attend(self, wish: Wish) -> Updates:
        upscaler, picture = self._subject(wish)
        piece = wish.piece
        runs = 2 if wish.flow else 1
        yield self._announced(upscaler, piece, runs)
        with self._stoppable(upscaler, wish):
            maps = inspect.attention_to(upscaler, picture, piece.pixel)
        flow = None
        if wish.flow:
            yield Update("Following attention through all blocks.", 1, runs)
            with self._stoppable(upscaler, wish):
                flow = inspect.rollout(upscaler, picture, piece.pixel)[0].numpy()
        distance, entropy = inspect.pixel_statistics(maps, piece.pixel)
        config = upscaler.config
        rows, columns = (
            slice(max(0, at - config.window_size + 1), at + config.window_size)
            for at in piece.pixel[::-1]
        )
        found = Attended(
            model=wish.name,
            piece=piece,
            picture=picture,
            maps=maps[:, :, rows, columns].numpy().copy(),
            corner=(columns.start, rows.start),
            labels=inspect.layer_labels(config),
            windows=layer_windows(config),
            distance=distance.numpy(),
            entropy=entropy.numpy(),
            flow=flow,
        )
        yield Update("Done.", runs, runs, found)

    def _state(self, wish: Wish) -> Updates:
        upscaler, picture = self._subject(wish)
        yield self._announced(upscaler, wish.piece, 1)
        with self._stoppable(upscaler, wish):
            states = inspect.hidden_states(upscaler, picture)
        (colours,) = inspect.pca_pictures(states)
        norms = inspect.token_norms(states)
        found = States(
            model=wish.name,
            piece=wish.piece,
            labels=states.labels,
            colours=_bytes(colours),
            sizes=_bytes(plots.norm_pictures(norms)),
            span=plots.norm_range(norms),
            channels=inspect.channel_norms(states).numpy(),
        )
        yield Update("Done.", 1, 1, found)

    def _attribute(self, wish: Wish) -> Updates:
        upscaler, picture = self._subject(wish)
        patch = tuple(length * upscaler.scale for length in wish.box)
        x, y, side = patch
        self._afford_memory(upscaler, wish, (x, y, side))
        yield Update(f"{wish.name}: step 1 of {wish.steps}.", 0, wish.steps)
        started = time.monotonic()
        work = inspect.attribution_steps(upscaler, picture, (x, y, side), wish.steps)
        while True:
            try:
                with self._stoppable(upscaler, wish):
                    done = next(work)
            except StopIteration as end:
                found: inspect.Attribution = end.value
                break
            pace = (time.monotonic() - started) / done
            left = (wish.steps - done) * pace
            if done == TRIED and time.monotonic() + left > wish.ends:
                raise _too_long(
                    f"{wish.steps} steps back through {wish.name}",
                    wish.steps * pace,
                    self._service.slot.deadline,
                    "fewer steps, a smaller piece",
                )
            text = f"{wish.name}: step {min(done + 1, wish.steps)} of {wish.steps}"
            yield Update(f"{text}, {about_seconds(left)} left.", done, wish.steps)
        attributed = Attributed(
            model=wish.name,
            piece=wish.piece,
            picture=picture,
            box=wish.box,
            map=found.map.numpy(),
            index=found.diffusion_index,
            steps=wish.steps,
        )
        yield Update("Done.", wish.steps, wish.steps, attributed)

    def _subject(self, wish: Wish) -> tuple[Upscaler, np.ndarray]:
        """The model, and the piece as (H, W, 3) uint8: what is drawn is what the network sees."""
        picture = images.decode(wish.path, limits=LIMITS)
        return self._service.shelf.get(wish.name), _bytes(wish.piece.cut(picture.pixels))

    @contextmanager
    def _stoppable(self, upscaler: Upscaler, wish: Wish) -> Iterator[None]:
        """While it lasts, the network asks before every layer whether to go on."""
        with upscaler.lock, interruptible(upscaler.model, self._service.cancel(wish.ends)):
            yield

    def _announced(self, upscaler: Upscaler, piece: Piece, runs: int) -> Update:
        """What looking will take.

        Raises:
            JobError: "over_budget", more memory or more time than there is.
        """
        size = (piece.width, piece.height)
        estimate = upscaler.estimate(size, tile=None)
        if not estimate.fits:
            raise JobError(estimate.message, code="over_budget")
        seconds, deadline = runs * estimate.seconds, self._service.slot.deadline
        if seconds > deadline:
            raise _too_long(f"Running over {pixels(size)}", seconds, deadline, "a smaller piece")
        return Update(f"Running {upscaler.name} over {pixels(size)}, {about_seconds(seconds)}.")

    def _afford_memory(self, upscaler: Upscaler, wish: Wish, patch: tuple[int, int, int]) -> None:
        """Refuse an attribution that takes more memory than there is.

        Raises:
            JobError: "over_budget".
        """
        size = (wish.piece.height, wish.piece.width)
        area, needed = inspect.attribution_cost(upscaler.config, size, patch)
        free = int(SAFE_SHARE * hardware.available_memory(upscaler.device))
        if needed > free:
            raise JobError(
                f"Looking back through {upscaler.name} over {area} pixels needs about "
                f"{needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB can be used.",
                code="over_budget",
                remedy="Choose a smaller piece or a smaller model.",
            )

    def _seconds(self, wish: Wish) -> int:
        """Seconds of a lent GPU to ask for."""
        work = wish.piece.width * wish.piece.height * multiplications(configuration(wish.name))
        runs = max(1 + wish.flow, BACKWARD * wish.steps)
        return math.ceil(min(self._service.slot.deadline, GPU_START + runs * work / GPU_RATE))


def networks() -> list[str]:
    """Names of the models that can be looked into: included ones, and others that are here."""
    entries = checkpoints.list_models()
    return [entry.name for entry in entries if checkpoints.is_here(entry)]


def configuration(name: str) -> RestorationConfig:
    """The configuration of a model in the registry."""
    entry = checkpoints.find(name)
    if entry is None:
        raise ConfigError(f"There is no model {name[:40]!r}.")
    return entry.config


def layer_windows(config: RestorationConfig) -> tuple[tuple[int, int], ...]:
    """(window, shift) of every layer, in pixels."""
    return tuple(
        (config.layer_window, config.layer_shift if layer % 2 else 0)
        for depth in config.depths
        for layer in range(depth)
    )


def _too_long(what: str, seconds: float, deadline: float, instead: str) -> JobError:
    return JobError(
        f"{what} would take {about_seconds(seconds)}; the limit here is {deadline:.0f} s.",
        code="over_budget",
        remedy=f"Choose {instead} or a smaller model.",
    )


def _bytes(pictures: torch.Tensor | np.ndarray) -> np.ndarray:
    """0..1 as uint8."""
    return (np.asarray(pictures) * 255).round().clip(0, 255).astype(np.uint8)
