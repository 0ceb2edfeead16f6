"""The files that users write, ModelSLO and AlertRouting: their shapes and names."""
