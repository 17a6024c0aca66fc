"""``python -m swath``: the same as the command ``swath``."""

from swath.cli.main import main

if __name__ == "__main__":
    main()
