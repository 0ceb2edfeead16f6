"""Compare what two commits generate and measure for the example; ``scripts/compare`` runs it."""
