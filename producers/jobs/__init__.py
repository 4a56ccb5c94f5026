"""What is done with jobs and webhooks, through whichever door."""
