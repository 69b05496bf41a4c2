"""From a checkpoint to recommendations: :func:`recbole_mmm4rec.load` gives a :class:`Recommender`."""
