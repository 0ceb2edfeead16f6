"""Web: /metrics, health, reload and the status page over HTTP; TLS and passwords.

From outside: ``Server``, and ``load`` of its configuration file.
"""
