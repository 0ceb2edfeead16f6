"""PromQL: pieces of expressions, rules and annotations, names and version gates; users' queries, parsed."""
