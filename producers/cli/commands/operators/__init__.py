"""What the commands for operators take."""
