"""Delivery of results: the Faust apps that persist and schedule, and the dispatcher that delivers."""
