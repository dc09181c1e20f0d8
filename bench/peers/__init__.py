"""The services that a like is compared with, each written as its users would write it."""
