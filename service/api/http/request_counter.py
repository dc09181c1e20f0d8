"""Count the requests that Flask fails to answer. The server counts those that arrive and are answered."""

from flask import Flask, Response

from service.observability.traffic_counter import TrafficCounter


def count_failures(app: Flask, traffic: TrafficCounter) -> None:
    """Count the app's responses with 5xx from now on."""

    def count_failed(response: Response) -> Response:
        if response.status_code >= 500:
            traffic.failed += 1
        return response

    app.after_request(count_failed)
