"""The mergeable parts: counts that add up, whatever the order and the grouping."""
