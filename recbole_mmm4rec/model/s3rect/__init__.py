"""S3Rec with text in place of attributes."""

from recbole_mmm4rec.model.s3rect.s3rect import S3RecT

__all__ = ["S3RecT"]
