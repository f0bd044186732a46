"""Write optimizer_reference.json: trajectories that AdamW and LAMB must follow.

    PYTHONPATH=tests python tests/reference/make_optimizer_reference.py

AdamW comes from torch.optim.AdamW in float64. LAMB, which torch lacks, is written here a second time, number
by number on Python lists and straight from Algorithm 2 of You et al. (arXiv 1904.00962); the form without
bias correction follows google-research/albert `lamb_optimizer.py` and `optimization.py`. Nothing is imported
from the package.
"""

import json
import math
from pathlib import Path

import torch

SHAPES = {
    "embeddings.weight": (4, 3),
    "embeddings.LayerNorm.weight": (3,),
    "dense.weight": (2, 3),
    "dense.bias": (2,),
    "full_layer_layer_norm.bias": (2,),
    "zero.weight": (2, 2),
}
LEARNING_RATES = [0.01, 0.02, 0.02, 0.005, 0.0, 0.001]
BETA1, BETA2, EPSILON, DECAY = 0.9, 0.999, 1e-6, 0.01


def excluded(name: str) -> bool:
    """Google's rule: search the name for LayerNorm, layer_norm or bias."""
    return "LayerNorm" in name or "layer_norm" in name or "bias" in name


def numbers(seed: int, scale: float) -> dict[str, list[float]]:
    """Draw a flat list for each tensor; "zero.weight" starts at zero, where LAMB's ratio falls back to 1."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, shape in SHAPES.items():
        values = torch.randn(math.prod(shape), generator=generator, dtype=torch.float64) * scale
        drawn[name] = [0.0] * math.prod(shape) if (name, seed) == ("zero.weight", 0) else values.tolist()
    return drawn


def adamw_by_torch(weights: dict[str, list[float]], gradients: list[dict[str, list[float]]]) -> list[dict]:
    """Follow torch.optim.AdamW, with no decay for excluded names."""
    params = {n: torch.nn.Parameter(torch.tensor(w, dtype=torch.float64)) for n, w in weights.items()}
    groups = [{"params": [p], "weight_decay": 0.0 if excluded(n) else DECAY} for n, p in params.items()]
    optimizer = torch.optim.AdamW(groups, betas=(BETA1, BETA2), eps=EPSILON)
    trajectory = []
    for gradient, rate in zip(gradients, LEARNING_RATES, strict=True):
        for name, param in params.items():
            param.grad = torch.tensor(gradient[name], dtype=torch.float64)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        trajectory.append({name: param.tolist() for name, param in params.items()})
    return trajectory


def by_hand(
    weights: dict[str, list[float]], gradients: list[dict[str, list[float]]], lamb: bool, correct: bool
) -> tuple[list[dict], list[dict]]:
    """Follow LAMB, or Google's AdamW, number by number; return weights and trust ratios after each step."""
    weights = {name: list(values) for name, values in weights.items()}
    m = {name: [0.0] * len(values) for name, values in weights.items()}
    v = {name: [0.0] * len(values) for name, values in weights.items()}
    trajectory, all_ratios = [], []
    for t, (gradient, rate) in enumerate(zip(gradients, LEARNING_RATES, strict=True), 1):
        ratios = {}
        for name, w in weights.items():
            update = []
            for i, g in enumerate(gradient[name]):
                m[name][i] = BETA1 * m[name][i] + (1 - BETA1) * g
                v[name][i] = BETA2 * v[name][i] + (1 - BETA2) * g**2
                m_hat = m[name][i] / (1 - BETA1**t) if correct else m[name][i]
                v_hat = v[name][i] / (1 - BETA2**t) if correct else v[name][i]
                decay = 0.0 if excluded(name) else DECAY
                update.append(m_hat / (math.sqrt(v_hat) + EPSILON) + decay * w[i])
            w_norm, u_norm = math.hypot(*w), math.hypot(*update)
            adapt = lamb and not excluded(name) and w_norm > 0 and u_norm > 0
            ratios[name] = w_norm / u_norm if adapt else 1.0
            weights[name] = [x - rate * ratios[name] * u for x, u in zip(w, update, strict=True)]
        trajectory.append({name: list(values) for name, values in weights.items()})
        all_ratios.append(ratios)
    return trajectory, all_ratios


def main() -> None:
    """Compute and write everything."""
    start = numbers(0, 0.5)
    gradients = [numbers(seed, 10.0 ** (1 - seed)) for seed in range(1, len(LEARNING_RATES) + 1)]
    lamb, lamb_ratios = by_hand(start, gradients, lamb=True, correct=True)
    google_lamb, google_ratios = by_hand(start, gradients, lamb=True, correct=False)
    google_adamw, _ = by_hand(start, gradients, lamb=False, correct=False)
    reference = {
        "shapes": SHAPES,
        "learning_rates": LEARNING_RATES,
        "weights": start,
        "gradients": gradients,
        "adamw": adamw_by_torch(start, gradients),
        "adamw_without_correction": google_adamw,
        "lamb": lamb,
        "lamb_trust_ratios": lamb_ratios,
        "lamb_without_correction": google_lamb,
        "lamb_without_correction_trust_ratios": google_ratios,
    }
    text = json.dumps(reference, separators=(",", ":")) + "\n"
    Path(__file__).with_name("optimizer_reference.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
