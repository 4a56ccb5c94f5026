"""From what models hear to a transcript that a reader can follow: pure rules over words, windows and turns."""
