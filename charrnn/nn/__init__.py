"""The mathematics, in NumPy only. Nothing here knows about text, files or terminals."""
