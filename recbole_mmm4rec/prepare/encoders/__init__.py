"""Texts and pictures -> vectors, in shards that survive an interruption. No encoder is imported before use."""

from recbole_mmm4rec.prepare.encoders.choice import check_encoder, encode_images, encode_texts

__all__ = ["check_encoder", "encode_images", "encode_texts"]
