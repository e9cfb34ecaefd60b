"""``python -m charrnn``: the same program as ``charrnn``."""

import os
import sys


def _leave_out_current_folder() -> None:
    """Take the current folder, which -m puts first, from the search path, as pip does.

    Modules may lie beside a text, and nobody who scores it means to run them. The folder stays if
    charrnn itself is in it.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # it was deleted
        return
    if sys.path[:1] in ([""], [here]) and here != os.path.dirname(os.path.dirname(__file__)):
        del sys.path[0]


if __name__ == "__main__":
    _leave_out_current_folder()
    from charrnn.cli import main

    main()
