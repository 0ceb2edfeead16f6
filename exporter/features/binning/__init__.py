"""What a view is counted over: edges, categories, slots or dimensions, one kind a file."""
