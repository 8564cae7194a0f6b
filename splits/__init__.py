"""Lists of the clips that are learned from and tested: definitions, draws, audit of leaks."""
