import os, requests
from requests_aws4auth import AWS4Auth
auth = AWS4Auth(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["AWS_REGION"], "es", session_token=os.environ["AWS_SESSION_TOKEN"])
def handler(event, context):
    return requests.get("https://search.internal.mycompany.com/_search", auth=auth).json()
