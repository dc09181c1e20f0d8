"""The least that Flask can answer: one route, one small JSON object."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> dict[str, bool]:
    """Nothing but the framework."""
    return {"ok": True}
