"""Reusable layers in plain PyTorch; nothing of RecBole in here.

Shapes are written with one legend throughout the package:

=====  =======================================================================
B      batch, the number of histories
L      history length; histories are right-padded with item 0
N      items; ids 1..N, row 0 of every item matrix is the pad
D      model width
E      inner width of a state-space block, ``expand * D``
H      heads of a state-space block, E = H * P
P      width of one head
S      state size
G      groups of heads that share B and C
K      kernel size of a causal convolution
=====  =======================================================================

Times are seconds unless a name says otherwise.
"""
