"""Page of tables, comparisons and plots out of the folders of runs.

    python -m eval report results/scripts results/print --out results

Writes ``README.md``, ``plots/*.png`` and, for model cards, ``cards/*.yml``. Several runs, which may
differ in their settings, become sections of one page. Crops are drawn from the pictures of
``run --save-images``; where those are no longer there, crops that were drawn before stay.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from eval.report import plots, published, tables
from eval.report.model_card import model_index
from eval.report.published import Published
from eval.report.run_folder import RunFolder, pairs, seconds_per_megapixel, task_of
from eval.report.significance import LEAST, Comparison, compare
from eval.report.tables import printed
from eval.run.means import Mean, task_title
from eval.run.plan import set_key
from eval.run.protocol import headline
from eval.run.rows import TableCell
from eval.run.saved_images import safe
from eval.sets.datasets import SAMPLE
from swin2sr.console import Console
from swin2sr.errors import ConfigError
from swin2sr.filesystem import make_folder, write_bytes
from swin2sr.plots import png

PAGE = "README.md"
OLDER = "The crops were drawn by an earlier report, when the pictures of this run were still there."
COSTS = (
    "| model | parameters | task | seconds per input megapixel | peak memory, MB |",
    "|---|---|---|---|---|",
)
PRINTED = (
    "| model | set | task | measured | printed | difference | source |",
    "|---|---|---|---|---|---|---|",
)
COMPARED = (
    "| set | task | model | against | n | better on | mean | 95 % interval | p |",
    "|---|---|---|---|---|---|---|---|---|",
)


def report(runs: Sequence[Path], out: Path, against: str | None, console: Console) -> list[Path]:
    """Write the page of one or more runs.

    Args:
        runs: folders of ``run --out``. out: where the page goes; made when absent.
        against: a model's label that all are compared with; None compares each with the next best.
        console: for notes.
    Returns:
        The files written.
    Raises:
        ConfigError: a folder without results, two of one name, or an unknown ``against``.
        OutputError: ``out`` cannot be written.
    """
    read = [RunFolder.read(folder, console) for folder in runs]
    if len({run.name for run in read}) < len(read):
        raise ConfigError("Two of the runs have folders of one name.", remedy="Rename one.")
    labels = {label for run in read for label in run.manifest["models"]}
    if against is not None and against not in labels:
        raise ConfigError(
            f"No model is called {against!r}.", remedy=f"There are: {', '.join(sorted(labels))}."
        )
    drawing = find_spec("matplotlib") is not None
    if not drawing:
        console.tell("note: without matplotlib there are no plots (pip install matplotlib).")
    files: dict[str, bytes] = {}
    sections = []
    for run in read:
        drawn = dict(plots.figures(run, against)) if drawing else {}
        files |= {_plot(run, name): png(figure, plots.DPI) for name, figure in drawn.items()}
        files |= dict(_cards(run))
        shown = list(_shown(run, out, drawn))
        sections.append("\n\n".join(_section(run, against, shown)))
        if len(shown) > len(drawn):
            sections[-1] += f"\n\n{OLDER}"
    page = "# Results\n\n" + "\n\n".join(sections) + "\n"
    files[PAGE] = page.encode("utf-8")
    return [_write(out / name, content) for name, content in files.items()]


def _plot(run: RunFolder, name: str) -> str:
    """Path of a figure beside the page."""
    return f"plots/{run.name}_{safe(name)}.png"


def _shown(run: RunFolder, out: Path, drawn: Collection[str]) -> Iterator[str]:
    """Figures of a run's section: those drawn now, and crops drawn earlier that now cannot."""
    for name in drawn:
        yield name
        crops = name.replace("wins_", "crops_", 1)
        if crops not in drawn and (out / _plot(run, crops)).is_file():
            yield crops


def _write(path: Path, content: bytes) -> Path:
    make_folder(path.parent)
    write_bytes(path, content)
    return path


# ---------------------------------------------------------------------------------------- the page


def _section(run: RunFolder, against: str | None, drawn: Sequence[str]) -> Iterator[str]:
    yield f"## {run.name}"
    yield "\n".join(_facts(run))
    yield tables.markdown(run.means, run.protocol).rstrip()
    yield "Best in bold, second underlined, by the figures as printed here."
    if beside := list(_beside_published(run)):
        yield "### Beside print"
        yield "\n".join([*PRINTED, *beside])
        yield "\n".join(_sources(run))
    if compared := list(_comparisons(run, against)):
        yield "### Model against model"
        yield "\n".join([*COMPARED, *compared])
        yield (
            "Differences are per image, first minus second, in dB; n is the number of images. The "
            "interval is a 95 % percentile bootstrap of the mean, p is of the two-sided Wilcoxon "
            "signed-rank test, not corrected for the number of comparisons. With fewer than "
            f"{LEAST} images p cannot fall below 0.05, whatever the models do."
        )
    if costs := list(_costs(run)):
        yield "### Cost"
        yield "\n".join([*COSTS, *costs])
    for name in drawn:
        yield f"![{name}]({_plot(run, name)})"


def _facts(run: RunFolder) -> Iterator[str]:
    settings, versions = run.manifest["settings"], run.manifest["versions"]
    for line in tables.signatures(run.means, run.protocol, run.padding):
        yield f"- `{line}`"
    tile = settings["tile"] or "whole images"
    extra = ", self-ensemble of 8" if settings["self_ensemble"] else ""
    yield f"- networks: {settings['precision']}, {tile}{extra}, {settings['threads']} thread(s)"
    yield f"- versions: {', '.join(f'{name} {number}' for name, number in versions.items())}"
    for session in run.manifest["sessions"]:
        places = "; ".join(
            ", ".join([m["processor"], f"{m['cores']} cores", *m["gpus"]])
            for m in session["machines"]
        )
        yield (
            f"- measured {session['ended'][:10]}: {session['images']} images in "
            f"{session['seconds']:.0f} s, {session['processes']} process(es) on {places}"
        )
    for key, facts in run.manifest["sets"].items():
        name, images, expected = key.rpartition(" x")[0], facts["images"], facts["expected"]
        if name == SAMPLE:
            yield f"- **{key} is no standard set**: photographs that come with scikit-image."
        elif expected not in (None, images):
            yield f"- **{key} has {images} of {expected} images**: its means are not print's."
    for name, scale in dict.fromkeys(
        (m.cell.set, m.cell.scale) for m in run.means if m.lr == "files"
    ):
        yield f"- **{name} x{scale}: small images that are not MATLAB's bicubic**, unlike print's."
    missing = [m for m in run.means if not m.complete]
    for mean in missing:
        cell = mean.cell
        yield f"- **unfinished**: {cell.model} on {cell.set}: {mean.count} of {mean.of} images"


def _beside_published(run: RunFolder) -> Iterator[str]:
    for mean, figure in _published(run):
        ours, theirs, differences = [], [], []
        names = {_without_channel(m): m for m in (*headline(*task_of(mean)), "psnr_b")}
        for metric, value in figure.figures.items():
            own = mean.values[names[metric]]
            if own is None:
                continue
            ours.append(printed(own, metric))
            theirs.append(printed(value, metric))
            differences.append(_signed(own - value, 2 if "psnr" in metric else 4))
        cell = mean.cell
        mark = " *" if figure.note else ""
        yield (
            f"| {cell.model} | {cell.set} | {task_title(cell.scale, cell.degradation)} "
            f"| {' / '.join(ours)} | {' / '.join(theirs)}{mark} | {' / '.join(differences)} "
            f"| [{figure.source}]({figure.url}), {figure.table} |"
        )


def _sources(run: RunFolder) -> Iterator[str]:
    notes = dict.fromkeys(
        (figure.model, figure.table, figure.note) for _, figure in _published(run) if figure.note
    )
    for model, table, note in notes:
        yield f"- \\* {model}, {table}: {note}"
    if any(mean.cell.set == "Set14" for mean, _ in _published(run)):
        how = "on the grey value" if run.protocol.grey_at(2) == "raw" else "as RGB"
        yield (
            f"- Print scores Set14's grey images on the grey value; here they count {how} "
            "(`--grey`)."
        )


def _published(run: RunFolder) -> Iterator[tuple[Mean, Published]]:
    """Cells with a figure in print, where the set here is the set of print."""
    for mean in run.means:
        cell = mean.cell
        if not (mean.complete and _is_the_set(run, mean)):
            continue
        name = run.manifest["models"].get(cell.model, {}).get("name", cell.model)
        for channel in _channels(run, cell):
            figure = published.find(name, cell.set, cell.scale, cell.degradation, channel)
            if figure is not None:
                yield mean, figure


def _channels(run: RunFolder, cell: TableCell) -> tuple[str, ...]:
    """Channels of print that the headline figures of a cell compare with."""
    if run.protocol.luma or cell.set == "Classic5":
        return ("grey",)
    return ("rgb",) if headline(cell.scale, cell.degradation)[0] == "psnr_rgb" else ("y",)


def _comparisons(run: RunFolder, against: str | None) -> Iterator[str]:
    for one, other, found in _compared(run, against):
        yield (
            f"| {one.set} | {task_title(one.scale, one.degradation)} "
            f"| {one.model} | {other.model} | {found.n} | {found.wins} | {found.difference:+.3f} "
            f"| {found.low:+.3f} to {found.high:+.3f} | {found.p:.2g} |"
        )


def _compared(
    run: RunFolder, against: str | None
) -> Iterator[tuple[TableCell, TableCell, Comparison]]:
    for pair in pairs(run, against):
        metric = headline(pair[0].scale, pair[0].degradation)[0]
        first, second = (run.values(cell, metric) for cell in pair)
        if all(math.isfinite(value) for side in (first, second) for value in side.values()):
            images = sorted(first)
            found = compare([first[image] for image in images], [second[i] for i in images])
            yield (*pair, found)


def _costs(run: RunFolder) -> Iterator[str]:
    for label, facts in run.manifest["models"].items():
        for task in run.tasks:
            own = [r for r in run.rows if r.cell.model == label and task_of(r) == task]
            seconds = seconds_per_megapixel(own)
            if not own or seconds is None:
                continue
            peak = max((r.peak_bytes or 0 for r in own), default=0)
            count = facts.get("parameters")
            yield (
                f"| {label} | {f'{count:,}' if count else '-'} | {task_title(*task)} "
                f"| {seconds:.2f} | {peak / 1e6:.0f} |"
            )


def _is_the_set(run: RunFolder, mean: Mean) -> bool:
    """Tell whether a mean is of what its set's name promises: no part of it, no samples."""
    facts = run.manifest["sets"].get(set_key(mean.cell.set, mean.cell.scale), {})
    return mean.cell.set != SAMPLE and facts.get("expected") in (None, mean.of)


def _signed(value: float, decimals: int) -> str:
    """Difference with its sign; what rounds to zero has none."""
    text = f"{value:+.{decimals}f}"
    return text if float(text) else text[1:]


def _without_channel(metric: str) -> str:
    """Name of a metric without its channel, as print gives it."""
    return metric.removesuffix("_rgb")


def _cards(run: RunFolder) -> Iterator[tuple[str, bytes]]:
    """``model-index`` of every network, by file name."""
    lines = tables.signatures(run.means, run.protocol, run.padding)
    keys = dict.fromkeys((mean.cell.set, mean.cell.scale, mean.lr) for mean in run.means)
    signatures = {
        (name, scale): line.partition(": ")[2]
        for (name, scale, _), line in zip(keys, lines, strict=True)
    }
    for label, facts in run.manifest["models"].items():
        own = [m for m in run.means if m.cell.model == label and _is_the_set(run, m)]
        text = model_index(label, own, signatures) if facts["sha256"] else ""
        if text:
            yield f"cards/{run.name}_{safe(label)}.yml", text.encode("utf-8")
