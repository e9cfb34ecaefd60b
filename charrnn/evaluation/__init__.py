"""Scores of text: by the network, by baselines, and how much of it is copied."""
