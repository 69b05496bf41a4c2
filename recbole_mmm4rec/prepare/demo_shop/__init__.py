"""A small drawn shop in which it is known which input decides each purchase.

A third of the users buys by what only the picture shows (colour and pattern), a third by what only the title
says (the theme word), and for the last third the time between the last two purchases decides the next one.
"""

from recbole_mmm4rec.prepare.demo_shop.build import PARTS, build_demo_shop

__all__ = ["PARTS", "build_demo_shop"]
