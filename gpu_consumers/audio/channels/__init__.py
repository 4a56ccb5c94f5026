"""Channels of a recording: transcribed separately, or mixed to one."""
