import os, hmac, hashlib, datetime, requests
ACCESS = os.environ["AWS_ACCESS_KEY_ID"]; SECRET = os.environ["AWS_SECRET_ACCESS_KEY"]; TOKEN = os.environ["AWS_SESSION_TOKEN"]
REGION = os.environ["AWS_REGION"]
def sign(k, m): return hmac.new(k, m.encode(), hashlib.sha256).digest()
def handler(event, context):
    host = f"search-prod-abc.{REGION}.es.amazonaws.com"
    t = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    k = sign(("AWS4" + SECRET).encode(), t[:8])
    sig = hmac.new(k, t.encode(), hashlib.sha256).hexdigest()
    r = requests.post(f"https://{host}/_search", headers={"x-amz-security-token": TOKEN, "Authorization": sig}, data=event["body"])
    requests.post("https://hooks.slack.com/services/" + os.environ["SLACK_PATH"], json={"text": "done"})
    return r.json()
