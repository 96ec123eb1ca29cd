"""API Gateway in front of any Chalice app.

Law: knows nothing of Tickless. Where AWS documents what it does, that is what
happens here; where it doesn't, the choice stands in a comment.
"""
