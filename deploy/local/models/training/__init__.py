"""How the stand-in models are made: synthetic speech, training, scoring."""
