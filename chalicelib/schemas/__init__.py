"""The public contract: what clients send, what they are sent, and how errors look.

Requests are pydantic models, because what comes in has to be doubted. Messages
are typed dicts, because what goes out has been calculated and costs nothing
more to send; pydantic makes the published schemas from both.
"""
