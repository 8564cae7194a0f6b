"""A procedural audio-visual world, laid out on disk as AVSBench-semantic, VGG-SS, VGG-Sound."""
