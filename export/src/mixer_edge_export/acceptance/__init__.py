"""What a file must pass before it is written: agreement with the source, and a run in every runtime."""
