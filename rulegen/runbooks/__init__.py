"""One page for every alert: what it means, what to look at first, what to do, who is told."""
