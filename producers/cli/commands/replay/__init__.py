"""What the commands over dead letters and replays take."""
