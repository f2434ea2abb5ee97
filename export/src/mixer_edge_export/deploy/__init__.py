"""A bundle from the workstation to a board, over the user's own ssh: proved there before it is put to use.

``ssh`` runs everything, ``probe`` asks, ``plan`` decides, ``wheelhouse`` fetches, ``release`` changes the board,
``service`` writes the unit, ``board`` is the order of it all.
"""
