"""Texts and pictures -> vectors, in shards that survive an interruption; encoders are imported at use."""

from recbole_mmm4rec.prepare.encoders.choice import check_encoder, encode_images, encode_texts

__all__ = ["check_encoder", "encode_images", "encode_texts"]
