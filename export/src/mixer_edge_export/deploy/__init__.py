"""A bundle from the workstation to a board, over the user's own ssh: proved there before it is put to use.

``ssh`` runs everything, ``layout`` says what lies where, ``probe`` asks, ``plan`` decides, ``wheelhouse`` fetches,
``stage`` puts a release together, ``board`` changes a board by ``scripts`` and ``service``, ``actions`` are the order
of it all, ``fleet`` does one of them on several boards.
"""
