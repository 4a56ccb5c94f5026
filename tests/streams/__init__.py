"""The Faust apps, the dispatcher and retention, module by module."""
