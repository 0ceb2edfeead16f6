"""The exporter: prediction and label logs in, Prometheus gauges out."""
