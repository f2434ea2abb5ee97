"""Pictures that a running program was unsure of, and a random share of all, kept for a person to look at."""
