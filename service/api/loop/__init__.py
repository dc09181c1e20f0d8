"""Likes and counts as buttons send them, answered in the event loop. Flask answers every other request.

Nothing here waits. The rules and the bytes are those of Flask: `service.auth`, `service.core.likes` and
`service.api.http.rendering`.
"""
