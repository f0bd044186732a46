"""What a trained model is used for: filling blanks, embedding texts, and the tasks that it is fine-tuned for.

    from albert_np.tasks import Predictor, prepare_finetuning, read_examples

    train, evaluation = (read_examples(path, "classification") for path in ("train.tsv", "dev.tsv"))
    predictor = prepare_finetuning("runs/mine", "classification", train, evaluation, "runs/quickstart").train()
    predictor.classify(["a text of today"])[0].probabilities

and on another day `Predictor.load("runs/mine")`. What differs between classifying, tagging, answering and choosing is
in one object each, see `kinds`.
"""

from albert_np.tasks.baselines import bag_of_words_baseline, majority_baseline
from albert_np.tasks.embed import embed, load_encoder
from albert_np.tasks.examples import Answer, ChoiceExample, Example, QuestionExample, TaggedExample, TextExample
from albert_np.tasks.fill_mask import Candidate, fill_mask, load_masked_lm
from albert_np.tasks.finetune import FineTuningRecipe, FineTuningRun, prepare_finetuning
from albert_np.tasks.held_out import HeldOut, hold_out
from albert_np.tasks.kinds import KINDS, Entity, FoundAnswer, Prediction, split_words
from albert_np.tasks.predict import Evaluation, Predictor
from albert_np.tasks.readers.glue import glue_files, task_files
from albert_np.tasks.reading import read_examples
from albert_np.tasks.recipes import TASKS, task_settings
from albert_np.tasks.settings import NamedTask

__all__ = [
    "KINDS",
    "TASKS",
    "Answer",
    "Candidate",
    "ChoiceExample",
    "Entity",
    "Evaluation",
    "Example",
    "FineTuningRecipe",
    "FineTuningRun",
    "FoundAnswer",
    "HeldOut",
    "NamedTask",
    "Prediction",
    "Predictor",
    "QuestionExample",
    "TaggedExample",
    "TextExample",
    "bag_of_words_baseline",
    "embed",
    "fill_mask",
    "glue_files",
    "hold_out",
    "load_encoder",
    "load_masked_lm",
    "majority_baseline",
    "prepare_finetuning",
    "read_examples",
    "split_words",
    "task_files",
    "task_settings",
]
