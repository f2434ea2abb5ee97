"""The checks of a file before it goes into a bundle: agreement with the source, and a run in every runtime."""
