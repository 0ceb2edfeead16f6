"""Which cases the generated unit tests take each generated alert through, judged from the files alone."""
