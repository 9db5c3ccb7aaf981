"""Tables as papers print them, in Markdown: models x sets, and a line an image."""

from __future__ import annotations

from collections.abc import Sequence

from eval.run.means import Mean, degradation_order, set_order, task_title
from eval.run.protocol import Protocol, headline
from eval.run.rows import Row, number
from eval.sets.datasets import SAMPLE

_TITLES = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "psnr_rgb": "PSNR",
    "ssim_rgb": "SSIM",
    "psnr_b": "PSNR-B",
}


def markdown(found: Sequence[Mean], protocol: Protocol) -> str:
    """Tables of models x sets, one for each scale and degradation; best bold, second underlined.

    Args:
        found: from ``means``. protocol: how they were scored.
    Returns:
        Markdown; "" for none.
    """
    parts = []
    tasks = dict.fromkeys((mean.cell.scale, mean.cell.degradation) for mean in found)
    for scale, degradation in sorted(tasks, key=lambda t: (t[0], degradation_order(t[1]))):
        here = [m for m in found if (m.cell.scale, m.cell.degradation) == (scale, degradation)]
        names: tuple[str, ...] = headline(scale, degradation)
        if scale == 1 and all(mean.values["psnr_b"] is not None for mean in here):
            names = (names[0], "psnr_b", names[1])
        title = task_title(scale, degradation)
        channel = "grey" if protocol.luma else "RGB" if names[0] == "psnr_rgb" else "Y"
        figures = " / ".join(_TITLES[name] for name in names)
        raw = protocol.grey_at(scale) == "raw" and not protocol.luma
        remark = ", grey files on the grey value" if raw else ""
        parts.append(f"**{title}** ({figures} on {channel}{remark})\n\n{_table(here, names)}")
    return "\n".join(parts)


def per_image(rows: Sequence[Row]) -> str:
    """Table with a line an image, in Markdown: PSNR and SSIM that papers print, and seconds."""
    lines = ["| model | set | task | image | PSNR (dB) | SSIM | seconds |", "|---|" + "---|" * 6]
    for row in rows:
        cell = row.cell
        psnr, ssim = (getattr(row.scores, n) for n in headline(cell.scale, cell.degradation))
        task = task_title(cell.scale, cell.degradation)
        figures = (f"{psnr:.3f}", f"{ssim:.4f}", f"{row.seconds:.2f}")
        words = map(_cell, (cell.model, cell.set, task, row.image, *figures))
        lines.append(f"| {' | '.join(words)} |")
    return "\n".join(lines) + "\n"


def signatures(found: Sequence[Mean], protocol: Protocol, padding: str) -> list[str]:
    """Signatures: the protocol of each set and scale in one line; baselines pad nothing."""
    keys = dict.fromkeys((mean.cell.set, mean.cell.scale, mean.lr) for mean in found)
    return [
        f"{name} x{scale}: {protocol.signature(scale, padding, lr)}" for name, scale, lr in keys
    ]


def _table(found: Sequence[Mean], names: Sequence[str]) -> str:
    models = list(dict.fromkeys(mean.cell.model for mean in found))
    sets = sorted({mean.cell.set for mean in found}, key=set_order)
    at = {(mean.cell.model, mean.cell.set): mean for mean in found}
    columns = [_ranked([at.get((model, one)) for model in models], names) for one in sets]
    titles = [f"{name} (no standard set)" if name == SAMPLE else name for name in sets]
    lines = [["", *titles], ["---"] * (len(titles) + 1)]
    lines += [[model, *cells] for model, *cells in zip(models, *columns, strict=True)]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _ranked(column: Sequence[Mean | None], names: Sequence[str]) -> list[str]:
    """Texts of a column's cells, each figure marked by its rank among the models'."""
    texts = [["" for _ in names] for _ in column]
    for index, name in enumerate(names):
        shown = [None if m is None else printed(m.values[name], name) for m in column]
        ranks = sorted({float(text) for text in shown if text}, reverse=True)
        several = sum(text is not None and text != "" for text in shown) > 1
        for line, text in zip(texts, shown, strict=True):
            line[index] = _marked(text, ranks) if text and several else text or "-"
    return [
        f"{mean.count} of {mean.of} images" if mean and not mean.complete else " / ".join(line)
        for mean, line in zip(column, texts, strict=True)
    ]


def printed(value: float | None, metric: str) -> str:
    """Figure with the decimals that papers give: 2 for dB, 4 for SSIM; "" for None."""
    return number(value, 2 if "psnr" in metric else 4)


def _marked(text: str, ranks: Sequence[float]) -> str:
    rank = ranks.index(float(text))
    return f"**{text}**" if rank == 0 else f"<u>{text}</u>" if rank == 1 else text


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
