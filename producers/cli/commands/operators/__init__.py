"""Arguments and options of the commands for operators."""
