"""Model card metadata of results, as the Hub reads it (``model-index``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.run.means import Mean, task_title
from eval.run.protocol import headline
from eval.sets.download import OFFERS

TASK = "image-to-image"
NAMES = {
    "psnr": "PSNR (Y)",
    "ssim": "SSIM (Y)",
    "psnr_rgb": "PSNR (RGB)",
    "ssim_rgb": "SSIM (RGB)",
    "psnr_b": "PSNR-B",
}


def model_index(model: str, means: Sequence[Mean], protocols: Mapping[tuple[str, int], str]) -> str:
    """Write the part of a card's YAML header that says how a model scored.

    Args:
        model: its name. means: its cells; those with missing images are left out.
        protocols: signature by set and scale.
    Returns:
        YAML with the key ``model-index``; "" without results.
    Source: written by huggingface_hub, which reads it back as it was (tested).
    """
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index
    from huggingface_hub.utils import yaml_dump

    results = [
        EvalResult(**facts)
        for mean in means
        if mean.complete
        for facts in _results(mean, protocols[(mean.cell.set, mean.cell.scale)])
    ]
    if not results:
        return ""
    index = eval_results_to_model_index(model, results)
    return yaml_dump({"model-index": index}, sort_keys=False)


def _results(mean: Mean, protocol: str) -> list[dict[str, Any]]:
    cell = mean.cell
    names: list[str] = [*headline(cell.scale, cell.degradation)]
    if mean.values["psnr_b"] is not None:
        names.append("psnr_b")
    offer = OFFERS.get(cell.set)
    enlarges = cell.scale > 1
    task = task_title(cell.scale, cell.degradation)
    found = []
    for name in names:
        value = mean.values[name]
        if value is not None:
            found.append(
                {
                    "task_type": TASK,
                    "task_name": f"{'Super-resolution' if enlarges else 'Restoration'} {task}",
                    "dataset_type": offer.repo if offer else cell.set,
                    "dataset_name": cell.set,
                    "dataset_config": task,
                    "metric_type": name.split("_rgb")[0],
                    "metric_name": f"{NAMES[name]}, {protocol}",
                    "metric_value": round(value, 4),
                }
            )
    return found
