"""ZESRec: Ding et al., "Zero-shot recommender systems", 2021 (arXiv 2105.08318).

There is no official code. This is the form in which the papers that compare with it re-implement it: the text
feature through one linear map, SASRec in place of the recurrent network, no ids. ``item_bias`` adds the
original's latent item offset, learnt on the source dataset and left behind there; with ``weight_decay``
it has the original's Gaussian prior, as all other matrices then have.
"""

from recbole_mmm4rec.model.self_attentive import SelfAttentiveRecommender
from recbole_mmm4rec.model.single_table import TextItems


class ZESRec(TextItems, SelfAttentiveRecommender):
    """Keys: ``properties/model/ZESRec.yaml``."""
