"""What the commands over jobs take."""
