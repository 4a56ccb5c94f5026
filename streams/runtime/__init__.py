"""Runtime of Faust apps and lease workers: event loop, group commit, watchdog, last resort."""
