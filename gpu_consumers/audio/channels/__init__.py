"""Channels of a recording: heard each alone, or mixed to one."""
