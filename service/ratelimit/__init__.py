"""Rate limits: sliding windows, decided in the process and synchronized between pods."""
