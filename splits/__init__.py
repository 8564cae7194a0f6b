"""Which clips are learned from and which are tested: definitions, draws, leaks."""
