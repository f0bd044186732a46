"""What Hugging Face's models have, and these have under another name: what errors say of it."""

from collections.abc import Iterable, Mapping

__all__ = ["CALLED_ELSEWHERE", "LOADED_ELSEWHERE", "hint", "refuse_foreign"]

_ATTRIBUTES = {
    "cuda": 'model.to("cupy")',
    "cpu": 'model.to("numpy")',
    "device": "model.backend; arrays need no .to(…), as a model brings what it is given to its own",
    "float": 'from_pretrained(…, dtype="float32")',
    "double": 'from_pretrained(…, dtype="float64")',
    "half": 'model.precision = "float16" for products, save_pretrained(…, dtype="float16") for files',
    "bfloat16": 'model.precision = "bfloat16" for products, save_pretrained(…, dtype="bfloat16") for files',
    "base_model": 'model.params.scope("albert.")',
    "num_labels": "model.config.num_labels",
    "get_output_embeddings": 'model.params["predictions.decoder.weight"]',
    "set_input_embeddings": "model.get_input_embeddings().weight[...] = …",
    "modules": "model.params",
    "named_modules": "model.params",
    "tie_weights": "config.tie_word_embeddings, before the model is made",
    "requires_grad_": "the optimizer's: AdamW(…, frozen=names)",
    "prune_heads": "albert_np.study.without_heads(model, heads)",
    "push_to_hub": "save_pretrained(folder), and huggingface_hub's upload_folder",
    "gradient_checkpointing_enable": 'model.recompute = "layer"',
    "gradient_checkpointing_disable": 'model.recompute = "none"',
}

CALLED_ELSEWHERE = {
    "return_dict": "leave it out: out[0], out[:2] and out.to_tuple() read any output by number",
    "head_mask": "it went with transformers 5; albert_np.study.without_heads returns a model without some heads",
}

LOADED_ELSEWHERE = {
    "torch_dtype": 'here that is dtype="float32" or "float64"',
    "device_map": 'here that is backend="numpy" or "cupy"',
    "attn_implementation": "leave it out: there is one",
    "return_dict": "leave it out: outputs are read by name and by number",
    "output_loading_info": "a warning names what is missing and what is not used",
    "state_dict": "here that is model.load_state_dict(state), of a model made from its config",
    "subfolder": "give it as a part of the path",
    "cache_dir": "set the environment variable HF_HOME",
    "token": "set the environment variable HF_TOKEN",
    "local_files_only": "set the environment variable HF_HUB_OFFLINE=1",
    "low_cpu_mem_usage": "leave it out: files are mapped",
    "use_safetensors": "leave it out: of both formats, safetensors are read",
    "from_tf": "leave it out: TensorFlow's checkpoints are known by their files",
    "trust_remote_code": "leave it out: nothing in a file is ever run",
}


def hint(attribute: str, parameters: Iterable[str]) -> str:
    """Return what an error about a missing attribute of a model with these parameters adds, "" if nothing."""
    if any(name.startswith(f"{attribute}.") for name in parameters):
        return f'; here that is model.params.scope("{attribute}.")'
    return f"; here that is {_ATTRIBUTES[attribute]}" if attribute in _ATTRIBUTES else ""


def refuse_foreign(what: str, given: Mapping[str, object], elsewhere: Mapping[str, str]) -> None:
    """Raise TypeError for the first argument that is Hugging Face's, and is not taken here."""
    for name in given:
        if name in elsewhere:
            raise TypeError(f"{what} takes no {name}={given[name]!r}: {elsewhere[name]}")
