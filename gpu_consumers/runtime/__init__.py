"""Runtime of a GPU process: poll loop, queue, workers, executor, committer."""
