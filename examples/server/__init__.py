"""A model server whose predictions mlslo watches."""
