import itertools
import math

import numpy as np
import pytest

from albert_np.checkpoints import find_model
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining
from albert_np.pretraining import PRETRAINING, PretrainingRun, Recipe, prepare_run
from albert_np.study import quickstart as job
from albert_np.tasks.fill_mask import fill_mask
from albert_np.tokenization import AlbertTokenizer
from albert_np.training import evaluate

STEPS = 5


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A quickstart of a few updates on a part of the text, and what was reported meanwhile."""
    output = tmp_path_factory.mktemp("quickstart") / "run"
    documents = list(itertools.islice(job.python_prose(), 150))
    reported, records = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "python_prose", lambda: documents)
        patch.setattr(job, "VOCAB_SIZE", 800)
        summary = job.quickstart(output, STEPS, report=reported.append, on_step=records.append)
    return output, summary, reported, records


def test_the_quickstart_goes_through_every_stage(finished):
    output, summary, reported, records = finished
    assert reported == ["reading Python's manual and docstrings", "learning a vocabulary", "tokenizing", "training"]
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5]
    assert (output / "model.safetensors").is_file()
    assert len(summary.blanks) == len(job.BLANKS)


def test_the_untrained_model_guesses_evenly(finished):
    _, summary, _, _ = finished
    assert summary.untrained["mlm_loss"] == pytest.approx(math.log(800), abs=0.1)
    assert summary.untrained["sop_loss"] == pytest.approx(math.log(2), abs=0.02)
    assert summary.trained["mlm_loss"] < summary.untrained["mlm_loss"]


def test_baselines_are_those_of_the_held_out_labels(finished):
    run = PretrainingRun(finished[0])
    batches = run.held_out_batches(max_examples=None)
    base = job.baselines(run, batches)
    labels = [int(v) for batch in batches for v in batch.labels.ravel() if v >= 0]
    accuracies = {token: labels.count(token) / len(labels) for token in set(labels)}
    assert base.frequent_accuracy == pytest.approx(max(accuracies.values()))
    assert accuracies[run.tokenizer.convert_tokens_to_ids(base.frequent_token)] == base.frequent_accuracy
    ids = run.corpus.ids.tolist()
    total = len(ids) + run.config.vocab_size
    expected = sum(-math.log((ids.count(v) + 1) / total) for v in labels) / len(labels)
    assert base.unigram_loss == pytest.approx(expected)
    assert 0.5 <= base.majority_order <= 1


def test_held_out_documents_are_not_trained_on(finished):
    run = PretrainingRun(finished[0])
    training, held_out = (
        {bytes(c.ids[c.sentence_starts[a] : c.sentence_starts[b]]) for a, b in itertools.pairwise(c.document_starts)}
        for c in (run.corpus, run.held_out)
    )
    assert run.held_out.num_documents + run.corpus.num_documents == 150
    assert held_out
    assert not training & held_out


def test_the_finished_model_is_the_one_summarised(finished):
    output, summary, _, _ = finished
    model = AlbertForPreTraining.from_pretrained(output)
    assert evaluate(model, PretrainingRun(output).held_out_batches(None), PRETRAINING) == summary.trained


def test_a_run_of_the_same_seed_gives_the_same_losses(finished, tmp_path, monkeypatch):
    _, _, _, records = finished
    documents = list(itertools.islice(job.python_prose(), 150))
    monkeypatch.setattr(job, "python_prose", lambda: documents)
    monkeypatch.setattr(job, "VOCAB_SIZE", 800)
    again = []
    job.quickstart(tmp_path / "again", STEPS, on_step=again.append)
    assert [r["loss"] for r in again] == [r["loss"] for r in records]


def test_fill_mask_ranks_whole_vocabulary_probabilities(finished):
    output = finished[0]
    tokenizer = AlbertTokenizer.from_pretrained(output)
    model = AlbertForMaskedLM.from_pretrained(output)
    (blank,) = fill_mask(model, tokenizer, "return the [MASK] of the list.", top_k=800)
    assert sum(c.probability for c in blank) == pytest.approx(1, abs=1e-4)
    assert [c.probability for c in blank] == sorted((c.probability for c in blank), reverse=True)
    logits = model(tokenizer("return the [MASK] of the list.", return_tensors="np")["input_ids"]).logits
    at = tokenizer("return the [MASK] of the list.")["input_ids"].index(tokenizer.mask_token_id)
    assert blank[0].token_id == int(np.argmax(logits[0, at]))
    assert blank[0].text.startswith("return the")


def test_fill_mask_refuses_what_it_cannot_answer(finished):
    output = finished[0]
    tokenizer, model = AlbertTokenizer.from_pretrained(output), AlbertForMaskedLM.from_pretrained(output)
    with pytest.raises(ValueError, match=r"has no \[MASK\]"):
        fill_mask(model, tokenizer, "no blank")
    with pytest.raises(ValueError, match="top_k=0: allowed are 1 to 800"):
        fill_mask(model, tokenizer, "[MASK]", 0)
    with pytest.raises(ValueError, match="takes at most 32"):
        fill_mask(model, tokenizer, "[MASK] " * 200)


def test_find_model_prefers_the_finished_model(finished, tmp_path):
    output = finished[0]
    assert find_model(output) == output
    (output / "config.json").rename(tmp_path / "config.json")
    try:
        assert find_model(output).parent == output / "checkpoints"
    finally:
        (tmp_path / "config.json").rename(output / "config.json")
    assert find_model("owner/name") == "owner/name"


def test_recipes_refuse_what_they_do_not_know():
    with pytest.raises(ValueError, match="optimizer='sgd': allowed are lamb, adamw"):
        Recipe(10, optimizer="sgd")
    with pytest.raises(ValueError, match="schedule='cosine': allowed are linear, google"):
        Recipe(10, schedule="cosine")
    with pytest.raises(ValueError, match="warmup_steps=10 must lie in"):
        Recipe(10, warmup_steps=10)
    with pytest.raises(ValueError, match="steps=0"):
        Recipe(0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"max_seq_length": 4}, "max_seq_length must be at least 8, got 4"),
        ({"masked_lm_prob": 1.5}, "masked_lm_prob must lie between 0 and 1"),
        ({"pairs": "swap"}, "pairs='swap': allowed are order, next, none"),
        ({"accumulation": 0}, "accumulation=0 must be at least 1"),
        ({"threads": 0}, "threads=0 must be at least 1"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 must be finite and not negative"),
        ({"max_grad_norm": 0.0}, "max_grad_norm=0.0 must be positive"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused_before_anything_is_written(setting, message):
    with pytest.raises(ValueError, match=message):
        Recipe(10, **setting)


def test_a_share_that_leaves_nothing_to_train_on_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"held_out=1 must lie in \[0, 1\)"):
        prepare_run(tmp_path / "run", list, None, job.CONFIG, Recipe(10, max_seq_length=32), held_out=1)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_run_file_is_refused_by_name(tmp_path):
    (tmp_path / "run.json").write_text('{"config": {}}')
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        PretrainingRun(tmp_path)
