"""Classes that are learnt on the board, on a bundle that computes features."""
