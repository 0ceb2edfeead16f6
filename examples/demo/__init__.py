"""The example model's story, played in fast motion through the whole chain. Run by `scripts/demo`."""
