"""From text to ids, and from ids to the batches of truncated BPTT."""
