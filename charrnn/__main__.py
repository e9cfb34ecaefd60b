"""``python -m charrnn``: the same program as ``charrnn``."""

from charrnn.cli import main

if __name__ == "__main__":
    main()
