import os

import requests
from requests_aws4auth import AWS4Auth


def signer():
    return AWS4Auth(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], "eu-west-1", "es",
                    session_token=os.environ["AWS_SESSION_TOKEN"])


def handler(event, context):
    found = requests.get("https://search.eu-west-1.es.amazonaws.com/orders/_search", auth=signer(), timeout=5)
    return {"statusCode": 200, "body": found.text}
