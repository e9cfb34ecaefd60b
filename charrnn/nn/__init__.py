"""The mathematics: NumPy only. Knows no text, no file and no terminal."""
