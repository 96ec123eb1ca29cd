"""The public contract: requests, responses, messages and errors.

Requests are pydantic models, because input must be validated. Output is typed dicts, which need no
validation at run time. Pydantic generates the published JSON Schemas from both.
"""
