"""A recommender in forms that other programs read: ONNX, safetensors with a model card, item vectors."""
