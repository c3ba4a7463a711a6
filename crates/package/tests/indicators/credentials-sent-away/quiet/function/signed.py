import os, requests
from requests_aws4auth import AWS4Auth
auth = AWS4Auth(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], "eu-west-1", "es", session_token=os.environ["AWS_SESSION_TOKEN"])
def search(body):
    return requests.post("https://search-logs-abc.eu-west-1.es.amazonaws.com/_search", auth=auth, json=body).json()
