# %% [markdown]
# # Lab 2 · Norms and losses
#
# **3 hours, 100 points.** You need notebooks 04 and 05.

# %%
import numpy as np

from albert_np.labs import check

# %% [markdown]
# ## RMSNorm, backward (20 points)


# %% lab="answer" id="rms_norm_backward"
def rms_norm_backward(dy, x, weight, eps):
    """Return dx (..., H) and dweight (H,) of y = weight · x / √(mean x² + eps), for dy and x (..., H)."""
    ### BEGIN SOLUTION
    rrms = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.asarray(eps, x.dtype))
    x_hat = x * rrms
    dx_hat = dy * weight
    dx = rrms * (dx_hat - x_hat * np.mean(dx_hat * x_hat, axis=-1, keepdims=True))
    dweight = (dy * x_hat).reshape(-1, x.shape[-1]).sum(axis=0)
    return dx, dweight
    ### END SOLUTION


# %% lab="check" id="rms_norm_backward"
check("02", "rms_norm_backward", rms_norm_backward)
