"""Multi-modal, transferable sequential recommendation for RecBole.

Importing this package makes RecBole accept its models by name; see :mod:`recbole_mmm4rec.host.registry`.
"""

from recbole_mmm4rec.host.registry import register

__version__ = "0.1.0"

register()
