"""Forecast the load from what pods report. Every function here is pure."""
