"""What Hugging Face's tokenizers have, and this one has under another name or not at all: what errors say of it."""

from collections.abc import Iterable, Mapping

ATTRIBUTES = {
    "added_tokens_encoder": "use get_added_vocab()",
    "apply_chat_template": "ALBERT holds no conversations",
    "backend_tokenizer": "the vocabulary is `model`, a SentencePieceModel",
    "chat_template": "ALBERT holds no conversations",
    "prepare_seq2seq_batch": "ALBERT writes no texts",
    "push_to_hub": "use save_pretrained, and huggingface_hub for the folder",
    "sp_model": "the vocabulary is `model`, a SentencePieceModel",
    "special_tokens_map_extended": "use added_tokens_decoder",
    "all_special_tokens_extended": "use added_tokens_decoder",
    "vocab": "use get_vocab()",
    "vocab_file": "use save_vocabulary(folder)",
}

OPTIONS = {
    "add_prefix_space": "leave it out: a text begins as a word does",
    "cache_dir": "set the environment variable HF_HOME",
    "from_slow": "leave it out: there is one tokenizer",
    "legacy": "leave it out: there is one tokenizer",
    "local_files_only": "set the environment variable HF_HUB_OFFLINE=1",
    "subfolder": "give it as a part of the path",
    "token": "set the environment variable HF_TOKEN",
    "trust_remote_code": "leave it out: nothing in a file is ever run",
    "use_fast": "leave it out: there is one tokenizer, and it knows offsets and words",
}

CALLS = {
    "pad_to_max_length": "write padding='max_length'",
    "text_pair_target": "ALBERT writes no texts",
    "text_target": "ALBERT writes no texts",
    "truncation_strategy": "write truncation='longest_first', 'only_first' or 'only_second'",
    "verbose": "leave it out: warnings are Python's, and warnings.filterwarnings silences them",
}


class NoSuchOption(TypeError, AttributeError):
    """A tokenizer is made with an option that it has not; Hugging Face raises AttributeError for names of methods."""


def refuse_options(kind: type, given: Mapping[str, object], of_calls: Iterable[str]) -> None:
    """Raise `NoSuchOption` for the first option of those given, none of which a tokenizer is made with.

    of_calls: the options that belong to a call.
    """
    for name, value in given.items():
        why = OPTIONS.get(name, "there is no such option")
        if name in of_calls:
            why = f"it is an option of a call, tokenizer(text, {name}={value!r:.80})"
        elif hasattr(kind, name):
            why = f"that is tokenizer.{name}, and no option"
        raise NoSuchOption(f"{kind.__name__} takes no {name}={value!r:.80}: {why}")
