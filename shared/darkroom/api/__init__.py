"""The HTTP layer: routes, authentication, problem documents and the OpenAPI document."""
