"""HM4SR, a mixture of experts over ids, text and pictures."""

from recbole_mmm4rec.model.hm4sr.hm4sr import HM4SR

__all__ = ["HM4SR"]
