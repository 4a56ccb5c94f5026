"""Pure rules that turn models' output (words, windows, turns) into a readable transcript."""
