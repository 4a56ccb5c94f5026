"""What runs and checks the service: the local stack, the demo, the locks, the gates; not part of the installed packages."""
