"""Pictures that stay on the board, each a file with a row in a database: the taught ones, and the captured ones."""
