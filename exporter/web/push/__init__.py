"""Push endpoint: events by HTTP, acknowledged once they are durable in an inbox.

``run`` starts a ``Receiver``, which keeps ``process`` going in a process of its own: neither a cycle's threads nor its
memory are between a sender and its answer.
"""
