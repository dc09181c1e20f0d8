"""Serve one route with one small JSON object: the least that Flask can do."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> dict[str, bool]:
    """Return a constant."""
    return {"ok": True}
