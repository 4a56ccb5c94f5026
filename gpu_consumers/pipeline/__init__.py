"""The two steps of a job: a recording becomes words, then the words get their speakers."""
