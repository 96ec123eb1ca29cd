"""What it takes to ask AWS for something without boto3, whose import costs more than an answer.

Credentials, signatures, whom to trust, and the one service that is asked here.
Nothing here knows what Tickless is, and nothing imports botocore unless there
is no other way to credentials.
"""
