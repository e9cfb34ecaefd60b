"""Settings: what they are, where they come from, and what "auto" resolves to."""
