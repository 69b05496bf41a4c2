"""Models of RecBole whose scores are not what their names say, mended for the runs of this package.

Each class replaces the one of the same name in ``recbole.model.general_recommender`` and says which lines of
RecBole 1.2.1 it mends and why. ``tests/host/test_closed_forms.py`` holds every model of RecBole with a closed
form against an independent computation.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.model.general_recommender import admmslim, asymknn, nceplrec, pop
from recbole.model.general_recommender import random as random_model
from torch import Tensor


class Pop(pop.Pop):
    """Popularity by all training interactions, whatever the batch size.

    ``pop.py``, ``calculate_loss``: ``item_cnt[item, :] = item_cnt[item, :] + 1`` counts an item once per
    batch, however often it was chosen there, and the items of a batch include the sampled negatives of
    point-wise training. RecBole issues 1844 and 2198.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        counts = np.bincount(dataset.inter_feat[dataset.iid_field].numpy(), minlength=self.n_items)
        self.item_cnt = torch.from_numpy(counts).unsqueeze(1).to(self.device)
        self.max_cnt = self.item_cnt.max(dim=0).values

    def calculate_loss(self, interaction: Any) -> Tensor:  # noqa: ARG002
        """Nothing is left to count."""
        return torch.zeros(1, device=self.device, requires_grad=True)


class Random(random_model.Random):
    """A different random order for every user, the same in every evaluation.

    ``random.py``, ``full_sort_predict``: one draw per batch, repeated for its users, so that the batch size
    decided how many lists there are, and with it the coverage of the items.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.seed = int(config["seed"])

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores (B * items,) from 0 to 1."""
        return self._scores(interaction[self.USER_ID]).view(-1)

    def predict(self, interaction: Any) -> Tensor:
        """Scores (B,) of pairs of user and item, those of the full ranking."""
        users, row = interaction[self.USER_ID].unique(return_inverse=True)
        return self._scores(users)[row, interaction[self.ITEM_ID]]

    def _scores(self, users: Tensor) -> Tensor:
        rows, generator = torch.empty(len(users), self.n_items, dtype=torch.float64), torch.Generator()
        for row, user in zip(rows, users.tolist(), strict=True):
            generator.manual_seed(self.seed * self.n_users + user)
            row.uniform_(generator=generator)
        return rows.to(self.device)


class _RealUsers:
    """A dataset whose interaction matrix has no row for the padding user, number 0."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def inter_matrix(self, form: str = "csr") -> sp.csr_matrix:
        """(users, items) interactions, users from number 1."""
        return self._dataset.inter_matrix(form=form)[1:]


class ADMMSLIM(admmslim.ADMMSLIM):
    """Means over the users that exist, and scores without noise.

    ``admmslim.py``: ``X.mean(axis=0)`` and the centred matrix have a row for the padding user, and
    ``add_noise`` adds up to 1e-5 to every score at random, so that an evaluation does not repeat and close
    scores change places. Ties need no noise here.
    """

    interaction_matrix: Any

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, _RealUsers(dataset))
        nobody = sp.csr_matrix((1, self.n_items), dtype=np.float32)
        self.interaction_matrix = sp.vstack([nobody, self.interaction_matrix], format="csr")

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores (B * items,)."""
        centre = self.item_means if self.center_columns else np.zeros_like(self.item_means)
        rows = self.interaction_matrix[interaction[self.USER_ID].cpu().numpy()].toarray()
        scores = (rows - centre) @ self.item_similarity + centre
        return torch.from_numpy(scores.ravel()).to(self.device)

    def predict(self, interaction: Any) -> Tensor:
        """Scores (B,) of pairs of user and item, those of the full ranking."""
        scores = self.full_sort_predict(interaction).view(-1, self.n_items)
        return scores.gather(1, interaction[self.ITEM_ID].unsqueeze(1)).squeeze(1)


class NCEPLRec(nceplrec.NCEPLRec):
    """The number of users without the padding user.

    ``nceplrec.py``: ``log(num_users / popularity ** beta)`` takes ``num_users`` from a matrix that has a row
    for the padding user.
    """

    user_embeddings: Any
    item_embeddings: Any

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, _RealUsers(dataset))
        users = self.user_embeddings.to(self.item_embeddings.dtype)
        self.user_embeddings = torch.cat([torch.zeros_like(users[:1]), users])


class AsymKNN(asymknn.AsymKNN):
    """Scores over the norm of the weights that predict an item.

    ``asymknn.py``, ``knn_method: item``: ``factor2`` sums the squared weights of a row, with which an item
    predicts others, where the method (Aiolli 2013) has those that predict it, a column. With ``beta`` below 1
    an item that is not a neighbour of any got scores around 1e12.
    """

    interaction_matrix: Any
    w: Any

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        if self.method == "item":
            users = np.power(self.interaction_matrix.power(2).sum(axis=1), self.beta)
            items = np.power(self.w.power(2).sum(axis=0), 1 - self.beta)
            scores = self.interaction_matrix.dot(self.w) / (users @ items + 1e-6)
            self.pred_mat = sp.csr_matrix(scores).power(self.q)


MENDED = {model.__name__: model for model in (Pop, Random, ADMMSLIM, NCEPLRec, AsymKNN)}
