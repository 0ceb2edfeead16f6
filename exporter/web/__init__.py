"""Pages over HTTP: /metrics, health, the status page; TLS and passwords."""
