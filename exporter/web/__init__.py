"""Web: /metrics, health, reload and the status page over HTTP; TLS and passwords; deliveries of batch jobs.

From outside: ``Server``, ``Protection`` by a web configuration file, and ``Pushgateway`` and ``RemoteWrite`` with the
``sender`` of ``delivery.py``.
"""
