"""What waits for space on the disk, or in the window of the inbox, tries again in a while: how long that is."""

PAUSE_SECONDS = 0.25
"""As long as a look at the free space counts (`Limits.free_check_seconds`)."""
