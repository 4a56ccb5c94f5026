"""Autoscaling of GPU processes, simulated: KEDA and the horizontal pod autoscaler on traces of arriving recordings."""
