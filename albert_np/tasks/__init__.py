"""What a trained model is used for."""

from albert_np.tasks.fill_mask import Candidate, fill_mask

__all__ = ["Candidate", "fill_mask"]
