"""`/livez` and `/readyz`: for whoever starts, stops and routes to pods."""

from flask import Response, jsonify
from flask.views import MethodView

from service.api.problems import TABLE, problem
from service.errors import UnavailableError
from service.likes import Likes


def livez() -> Response:
    """The process answers; a part that fails is no reason to start it again."""
    return _unstored(jsonify(status="ok"))


class ReadyView(MethodView):
    """Whether likes can be taken, and which part fails."""

    init_every_request = False

    def __init__(self, likes: Likes) -> None:
        self._likes = likes

    def get(self) -> Response:
        """503 while no Redis node answers. While any does, likes count: the pod stays ready, and says what fails."""
        parts = self._likes.check()
        failing = [part for part, sentences in parts.items() if sentences]
        if "redis" in failing and not self._likes.usable():
            detail = " ".join(parts["redis"])
            return problem(
                TABLE[UnavailableError], detail, {"Retry-After": "1"}, part="redis", failing=failing, parts=parts
            )
        status = "degraded" if failing else "ready"
        return _unstored(jsonify(status=status, failing=failing, parts=parts))


def _unstored(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
