"""A trained checkpoint as a service over HTTP: ``recbole-mmm4rec serve CHECKPOINT``, extra ``serve``."""
