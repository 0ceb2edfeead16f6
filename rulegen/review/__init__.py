"""Changes in words that an SRE reviews: the files on disk against those that the specs ask for."""

from rulegen.review.words import words

__all__ = ["words"]
