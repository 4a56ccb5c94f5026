"""Arguments and options of the commands over dead letters and replays."""
