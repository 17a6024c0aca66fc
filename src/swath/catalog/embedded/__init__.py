"""The catalog in one SQLite file: its schema, its rows, and its searches."""
