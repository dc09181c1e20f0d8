"""Simulate autoscaling policies on a demand, and compare their violations and costs."""
