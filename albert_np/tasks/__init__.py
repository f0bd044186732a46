"""What a trained model is used for: filling blanks, and the tasks that it is fine-tuned for.

    from albert_np.tasks.finetune import prepare_finetuning
    from albert_np.tasks.readers import read_examples

    train, evaluation = (read_examples(path, "classification") for path in ("train.tsv", "dev.tsv"))
    predictor = prepare_finetuning("runs/mine", "classification", train, evaluation, "runs/quickstart").train()
    predictor.classify(["a text of today"])[0].probabilities

and on another day `Predictor.load("runs/mine")`, of `albert_np.tasks.predict`.
"""

from albert_np.tasks.fill_mask import Candidate, fill_mask

__all__ = ["Candidate", "fill_mask"]
