"""Server-sent events: changes of jobs, told to clients that keep a connection open."""
