"""Records sent again: dead letters, replays, and records that a group passes over."""
