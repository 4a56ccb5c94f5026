"""What every process does alike: its command line, its logs, what it prints, and the failpoints of tests."""
