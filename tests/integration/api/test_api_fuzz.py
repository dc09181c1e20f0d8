"""Compare the API with its OpenAPI document by schemathesis, for valid and invalid data.

It is derandomized, so that a change fails only for what it changed. Remove that to search further.
"""

import schemathesis
from hypothesis import HealthCheck, settings

from tests.support.app_factory import fake_api

API = fake_api().app
schema = schemathesis.openapi.from_wsgi("/openapi.json", API)


@schema.parametrize()
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_api_matches_its_openapi_document(case):
    case.call_and_validate()
