"""Text to ids, and ids to the batches of truncated BPTT."""
