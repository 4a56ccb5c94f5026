"""Commands over dead letters and replays."""
