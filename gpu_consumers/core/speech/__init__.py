"""Pure rules over words, windows and turns, by which the output of models becomes a transcript that a reader can follow."""
