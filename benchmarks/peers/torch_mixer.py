"""The network in PyTorch, as it would be written for eager execution."""

import math

import numpy as np
import torch
from torch.nn import functional


class Mixer:
    """Maps ``[1, H, W, 3]`` float32 images in [-1, 1] to logits ``[1, classes]``, from weights by published key."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        # a dense kernel as PyTorch keeps it, [out, in]
        self.arrays = {
            key: torch.from_numpy(array.T.copy() if array.ndim == 2 else array) for key, array in weights.items()
        }
        self.stem = self.arrays["stem/kernel"].permute(3, 2, 0, 1).contiguous()
        tokens = len(weights["MixerBlock_0/token_mixing/Dense_0/kernel"])
        self.image_size = math.isqrt(tokens) * self.stem.shape[-1]
        self.blocks = len({key.split("/")[0] for key in weights if key.startswith("MixerBlock_")})

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        x = functional.conv2d(images.permute(0, 3, 1, 2), self.stem, self.arrays["stem/bias"], self.stem.shape[-1])
        x = x.flatten(2).transpose(1, 2)
        for block in range(self.blocks):
            prefix = f"MixerBlock_{block}"
            y = self._norm(x, f"{prefix}/LayerNorm_0").transpose(1, 2)
            x = x + self._mlp(y, f"{prefix}/token_mixing").transpose(1, 2)
            x = x + self._mlp(self._norm(x, f"{prefix}/LayerNorm_1"), f"{prefix}/channel_mixing")
        return self._dense(self._norm(x, "pre_head_layer_norm").mean(1), "head")

    def _norm(self, x: torch.Tensor, prefix: str) -> torch.Tensor:
        scale, bias = self.arrays[f"{prefix}/scale"], self.arrays[f"{prefix}/bias"]
        return functional.layer_norm(x, scale.shape, scale, bias, 1e-6)

    def _dense(self, x: torch.Tensor, prefix: str) -> torch.Tensor:
        return functional.linear(x, self.arrays[f"{prefix}/kernel"], self.arrays[f"{prefix}/bias"])

    def _mlp(self, x: torch.Tensor, prefix: str) -> torch.Tensor:
        hidden = functional.gelu(self._dense(x, f"{prefix}/Dense_0"), approximate="tanh")
        return self._dense(hidden, f"{prefix}/Dense_1")
