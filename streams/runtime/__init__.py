"""What every Faust app and lease worker runs in: event loop, group commit, watchdog, last resort."""
