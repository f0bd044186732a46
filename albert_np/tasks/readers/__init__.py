"""Files of fine-tuning tasks → examples."""

from albert_np.tasks.readers.glue import glue_files
from albert_np.tasks.readers.reading import KINDS, read_examples

__all__ = ["KINDS", "glue_files", "read_examples"]
