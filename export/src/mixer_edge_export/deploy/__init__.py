"""Deploy a bundle from the workstation to a board over the user's own ssh, and verify it there before it is used.

``ssh`` runs commands, ``layout`` defines the files on a board, ``probe`` reads its facts, ``plan`` decides what to
install, ``wheelhouse`` downloads packages, ``stage`` assembles a release, ``threads`` measures and chooses its number
of threads, ``board`` changes a board with the shell scripts in ``scripts``, ``service`` and ``threads``, ``actions``
runs the steps in order, and ``fleet`` runs an action on several boards.
"""
