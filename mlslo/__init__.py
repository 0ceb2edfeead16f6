"""What both halves share: strict YAML, the catalogue of metrics, the ModelMonitor file. Imports neither half."""
