"""The options, help and checks of each command.

One file for each command. What the command does is imported from the file of the same name in
:mod:`charrnn.cli` when it runs, so that help and completion do not wait for NumPy.
"""
