# Reads an OpenAPI document from standard input; fails, and says why, unless it is valid.
import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator, validate

validate(json.load(sys.stdin), cls=OpenAPIV31SpecValidator)
