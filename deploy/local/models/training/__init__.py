"""The making of the stand-in models: synthetic speech, training, scoring."""
