"""schemathesis against the document: what it promises is what is answered, for good data and for bad.

Derandomized, so that a change fails for what it changed; drop that to look further.
"""

import schemathesis
from hypothesis import HealthCheck, settings

from tests.support.app_factory import memory

API = memory().app
schema = schemathesis.openapi.from_wsgi("/openapi.json", API)


@schema.parametrize()
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_api_is_what_its_document_says(case):
    case.call_and_validate()
