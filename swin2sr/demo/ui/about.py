"""Tab "About": origin of the network, limits, privacy, licences, and scores."""

from __future__ import annotations

import gradio as gr

from swin2sr import checkpoints
from swin2sr.demo import scores
from swin2sr.demo.messages import escape_markdown
from swin2sr.demo.models import TASKS
from swin2sr.demo.ui.files import RETENTION_SECONDS

NETWORK = """
## The network

**Swin2SR**: Marcos V. Conde, Ui-Jin Choi, Maxime Burchi, Radu Timofte,
[Swin2SR: SwinV2 Transformer for Compressed Image Super-Resolution and Restoration](https://arxiv.org/abs/2209.11345),
2022. It looks at a picture through small shifted windows, and fills in the detail that it has
learned to expect. This page runs it rebuilt from the papers, in tiles on the network's own grid, so
that large pictures need little memory and show no seams.
"""
LIMITS = """
## What it cannot do

- It does **not recover the truth**. Detail that the small picture does not hold is made up from
  what the training pictures had: plausible, not real.
- **Faces** may come out as those of somebody else. Do not use a result to recognise a person.
- **Text** and number plates that cannot be read stay unreadable, or turn into other letters.
- Do not use it on scans or measurements that decisions hang on.
- Each model expects one kind of damage. "Sharpen" makes noise and JPEG blocks sharper, too; "Repair
  a JPEG" leaves blur as it is.
"""
PRIVACY = f"""
## Your pictures

Your pictures and their results are deleted from this server after
{RETENTION_SECONDS // 60} minutes, and used for nothing else; the download link ends then too.
Results carry no place, and no camera data unless you ask for it. The log says how large a picture
was and how long it took, not whose it was or what it showed.
"""
LICENCES = """
## Licences

Code and included weights: Apache-2.0. The published weights are Apache-2.0, by the authors of
[mv-lab/swin2sr](https://github.com/mv-lab/swin2sr). What each was trained on stands below.
Examples: Eileen Collins (NASA, public domain), Chelsea (Stefan van der Walt, CC0), coffee (Rachel
Michetti, CC0), Falcon 9 (SpaceX, public domain), all from scikit-image.
"""
SCORES_NOTE = (
    "Means over whole sets by the evaluation suite of this project: PSNR in dB / SSIM, of the "
    "brightness (Y) or of the colours (RGB)."
)
NO_SCORES = "Measured figures are not part of this installation."


def build() -> None:
    """Build the tab, inside ``gr.Tab``."""
    with gr.Row():
        with gr.Column():
            gr.Markdown(NETWORK)
            gr.Markdown(LIMITS)
        with gr.Column():
            gr.Markdown(PRIVACY)
            gr.Markdown(LICENCES)
    gr.Markdown(f"## The models of this page\n\n{models_text()}")
    gr.Markdown(f"## How good they are\n\n{scores_text()}")
    for name, section in scores.card_sections().items():
        with gr.Accordion(f"{name}, from its card", open=False):
            gr.Markdown(section)


def models_text() -> str:
    """Models of every task, as Markdown."""
    lines = []
    for task in TASKS.values():
        lines.append(f"- **{task.label}**")
        for name in task.models.values():
            entry = checkpoints.find(name)
            if entry is not None:
                origin = "included" if entry.source == "packaged" else "fetched on first use"
                lines.append(
                    f"    - {name}, {entry.parameters / 1e6:.1f} million parameters, {origin}. "
                    f"Trained on {escape_markdown(entry.trained_on)}. {entry.licence}."
                )
    return "\n".join(lines)


def scores_text() -> str:
    """Scores by the evaluation suite, as Markdown."""
    table = scores.score_table(scores.read_scores())
    if not table:
        return NO_SCORES
    return f"{SCORES_NOTE}\n\n{table}"
