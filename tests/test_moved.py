"""The import paths of version 0.1.0 that README and notebooks had."""

import importlib

import pytest

from albert_np._moved import MOVED

KNOWN = {  # of version 0.1.0, and what README, notebooks or docstrings took from there
    "albert_np.convert": "convert",
    "albert_np.experiments": "run_experiment",
    "albert_np.finetuning": "AlbertForSequenceClassification",
    "albert_np.info": "describe",
    "albert_np.inside": "head_statistics",
    "albert_np.parallel": "split",
    "albert_np.quickstart": "summarize",
    "albert_np.squad2": "AlbertForQuestionAnsweringV2",
    "albert_np.tokenization.model_proto": "read_model",
    "albert_np.torch_check": "compare_with_torch",
    "albert_np.training.pretrain": "prepare_run",
    "albert_np.verify": "small_config",
}


def test_each_has_a_case():
    assert KNOWN.keys() == MOVED.keys()


@pytest.mark.parametrize("old", KNOWN)
def test_an_old_path_gives_the_same_object_and_says_where_it_is_now(old):
    with pytest.warns(DeprecationWarning, match=f"{old} has moved: import from {MOVED[old]}"):
        moved = importlib.import_module(old)
    assert getattr(moved, KNOWN[old]) is getattr(importlib.import_module(MOVED[old]), KNOWN[old])
