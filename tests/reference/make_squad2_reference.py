"""Write squad2_reference.npz: what a PyTorch twin of the SQuAD 2 head computes, in float64, over Hugging Face's ALBERT.

The twin says what the original's graph says in the original's way (one-hot starts, joined features, log-probabilities,
automatic gradients), so that it shares neither formulas nor shortcuts with what it judges. Run from the repository's
root, where torch and transformers are installed:
    PYTHONPATH=tests python tests/reference/make_squad2_reference.py
"""

from pathlib import Path

import numpy as np
import torch
import transformers
from reference import squad2_case


class TorchTwin(torch.nn.Module):
    """`AlbertForQuestionAnsweringV2` with the weights of ours, in eval mode."""

    def __init__(self, model):
        super().__init__()
        values = {**model.config.to_dict(), "attn_implementation": "eager"}
        del values["sharing"], values["ffn_output_dropout"]  # our own fields
        hidden, eps = model.config.hidden_size, model.config.layer_norm_eps
        self.albert = transformers.AlbertModel(transformers.AlbertConfig(**values), add_pooling_layer=False)
        self.start_logits = torch.nn.ModuleDict({"dense": torch.nn.Linear(hidden, 1)})
        self.end_logits = torch.nn.ModuleDict(
            {
                "dense_0": torch.nn.Linear(2 * hidden, hidden),
                "LayerNorm": torch.nn.LayerNorm(hidden, eps),
                "dense_1": torch.nn.Linear(hidden, 1),
            }
        )
        self.answer_class = torch.nn.ModuleDict(
            {"dense_0": torch.nn.Linear(2 * hidden, hidden), "dense_1": torch.nn.Linear(hidden, 1, bias=False)}
        )
        self.to(torch.float64 if model.dtype == np.float64 else torch.float32)
        self.load_state_dict({name: torch.from_numpy(np.array(model.params[name])) for name in self.state_dict()})
        self.eval()

    def forward(self, p_mask, start_positions=None, end_positions=None, is_impossible=None, beam=5, **inputs):
        x = self.albert(**inputs)[0]
        p_mask = p_mask.to(x.dtype)
        start_logits = masked(self.start_logits["dense"](x)[..., 0], p_mask)
        start_log_probs = start_logits.log_softmax(-1)
        expected_start = torch.einsum("blh,bl->bh", x, start_logits.softmax(-1))
        features = torch.tanh(self.answer_class["dense_0"](torch.cat([expected_start, x[:, 0]], dim=-1)))
        cls_logits = self.answer_class["dense_1"](features)[:, 0]
        out = {"cls_logits": cls_logits, "start_probs": start_log_probs.exp()}
        if start_positions is None:
            return out | self.top(x, start_log_probs, p_mask, beam)
        one_hot = torch.nn.functional.one_hot(start_positions, x.shape[1]).to(x.dtype)
        end_log_probs = self.end_log_probs(x, torch.einsum("blh,bl->bh", x, one_hot), p_mask)
        rows = torch.arange(len(x))
        start_loss = -start_log_probs[rows, start_positions].mean()
        end_loss = -end_log_probs[rows, end_positions].mean()
        impossible = torch.nn.functional.binary_cross_entropy_with_logits(cls_logits, is_impossible.to(x.dtype))
        loss = 0.5 * (start_loss + end_loss) + 0.5 * impossible
        return out | {"end_probs": end_log_probs.exp(), "loss": loss}

    def end_log_probs(self, x, start_features, p_mask):
        """Return (B, T), given the features (B, H) of a start."""
        joined = torch.cat([x, start_features[:, None].expand_as(x)], dim=-1)
        hidden = self.end_logits["LayerNorm"](torch.tanh(self.end_logits["dense_0"](joined)))
        return masked(self.end_logits["dense_1"](hidden)[..., 0], p_mask).log_softmax(-1)

    def top(self, x, start_log_probs, p_mask, beam):
        """Return the likeliest starts, and the likeliest ends given each of them."""
        starts = start_log_probs.topk(beam)
        rows = torch.arange(len(x))
        given = [self.end_log_probs(x, x[rows, starts.indices[:, k]], p_mask).topk(beam) for k in range(beam)]
        return {
            "start_top_log_probs": starts.values,
            "start_top_index": starts.indices,
            "end_top_log_probs": torch.cat([ends.values for ends in given], dim=-1),
            "end_top_index": torch.cat([ends.indices for ends in given], dim=-1),
        }


def masked(logits, p_mask):
    return logits * (1 - p_mask) - 1e30 * p_mask


def torch_squad2_results(model, inputs, beam):
    """Return the twin's outputs with and without the answers, and every gradient of the loss under "d name"."""
    twin = TorchTwin(model)
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    out = twin(**tensors)
    out["loss"].backward()
    labels = ("start_positions", "end_positions", "is_impossible")
    predicted = twin(**{name: t for name, t in tensors.items() if name not in labels}, beam=beam)
    gradients = {}
    for name, parameter in twin.named_parameters():
        stored = model.layout.ties.get(name, name)
        gradients[stored] = gradients.get(stored, 0) + parameter.grad
    results = predicted | out | {f"d {name}": gradients[name] for name in model.params}
    return {name: t.detach().numpy() for name, t in results.items()}


if __name__ == "__main__":
    arrays = torch_squad2_results(*squad2_case.make(), squad2_case.BEAM)
    np.savez_compressed(Path(__file__).with_name("squad2_reference.npz"), **arrays)
