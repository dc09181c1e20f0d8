"""Rate limits: sliding windows, decided in the process and synchronised between pods."""
