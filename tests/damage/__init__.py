"""Files and command lines that were damaged at random, and what may come of them."""
